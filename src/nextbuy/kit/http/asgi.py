"""The ASGI application of a service that runs alone in its process, and the parts of ASGI that the gateway shares.

Routing, checks and errors are behind `Handler`. This module reads the body within limits and sends the response.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from nextbuy.contracts.errors import AppError, BadRequest, MethodNotAllowed, TooLarge
from nextbuy.kit.observability import telemetry
from nextbuy.kit.time_limit import TimeLimit
from nextbuy.kit.wire import (
    EVENT_STREAM,
    JSON,
    READS,
    REQUEST_ID,
    Handler,
    Request,
    Response,
    StreamedResponse,
    problem_response,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Iterable[tuple[bytes, bytes]]
Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""A function that returns the state of each dependency: "up", "degraded" (slower, but serving) or "down"."""

BODY_TIMEOUT: Final = 10.0
"""Seconds for a client to send a body."""
MAX_STREAM: Final = 90.0
"""Seconds after which an event stream is closed, even if its client reads nothing; its service ends it earlier."""
NO_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LIVE: Final = Response(200, b'{"status":"live"}')
_HEALTH: Final = frozenset({"/health/live", "/health/ready"})
NO_CONTENT: Final = frozenset({204, 304})
REFUSAL: Final = "refusal"
"""The key in the state of a scope under which the server passes on why it refuses the request (an AppError)."""

STOPPING: Final = "nextbuy.stopping"
"""The key in a scope of the event (`asyncio.Event`) that the server sets when it stops; a test may leave it out."""

encode_json: Final = msgspec.json.Encoder().encode


class Disconnected(Exception):
    """The error of a client that disconnects before it has sent its whole request."""


class BodyTimeout(AppError):
    """The request body did not arrive in time. Send it again."""

    status, title, slug = 408, "Request timeout", "request-timeout"


class UrlTooLong(AppError):
    """The URL is too long."""

    status, title, slug = 414, "URL too long", "url-too-long"


class HeadersTooLarge(AppError):
    """The request has too many headers, or too long ones."""

    status, title, slug = 431, "Headers too large", "headers-too-large"


def headers_of(raw: RawHeaders) -> dict[str, str]:
    """Return the headers of another process by lower-case name.

    Repeated ones are joined as in RFC 9110 (cookies: RFC 6265). Values are UTF-8, as `HttpTransport` sends them: in
    another encoding, the text of a client's header would not fit its signature.
    """
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode(errors="replace")
        if name in headers:
            separator = "; " if name == "cookie" else ", "
            value = f"{headers[name]}{separator}{value}"
        headers[name] = value
    return headers


def raise_refusal(scope: Scope) -> None:
    """Raise the error for which the server refuses a request, if it does; a body can be found invalid at its end."""
    if scope["state"]:
        raise scope["state"][REFUSAL]


def announced_length(headers: Mapping[str, str], limit: int) -> int | None:
    """Return the Content-Length of a body: None if it is chunked, 0 if there is no body.

    Raises:
        TooLarge: it is more than `limit` bytes.
        BadRequest: the Content-Length is not a number.
    """
    length = headers.get("content-length")
    if length is None:
        return None if "transfer-encoding" in headers else 0
    if not (length.isascii() and length.isdecimal()) or len(length) > 18:  # noqa: PLR2004
        raise BadRequest("Invalid Content-Length. Send the size of the body in bytes.")
    if int(length) > limit:
        raise too_large(limit)
    return int(length)


def too_large(limit: int) -> TooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return TooLarge(f"The body is too large. Send at most {limit} bytes.")


async def read_body(receive: Receive, limit: int, timeout: float = BODY_TIMEOUT) -> bytes:
    """Read a request's whole body.

    Raises:
        TooLarge: it has more than `limit` bytes; the rest is not read.
        BodyTimeout: it took more than `timeout` seconds.
        Disconnected: the client disconnected.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        with TimeLimit(timeout):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Disconnected
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                if not message.get("more_body", False):
                    return b"".join((*chunks, chunk)) if chunks else chunk
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTimeout from None


async def send_response(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send a response: without a body if its status allows none, and with Content-Length unless it is a stream."""
    empty = response.status in NO_CONTENT
    events = events_of(response)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if not empty:
        headers.append((b"content-type", response.content_type.encode("latin-1")))
        if events is None:
            headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if events is not None:
        await send_events(scope, receive, send, events)
    await send({"type": "http.response.body", "body": b"" if empty else response.body})


def events_of(response: Response) -> AsyncIterator[bytes] | None:
    """Return the bytes of an event stream as they arrive; None for any other response."""
    if isinstance(response, StreamedResponse) and response.content_type.startswith(EVENT_STREAM):
        return response.chunks
    return None


async def send_events(scope: Scope, receive: Receive, send: Send, events: AsyncIterator[bytes]) -> None:
    """Send events until they end, the client disconnects, the server stops, or `MAX_STREAM` has passed."""

    async def relay() -> None:
        try:
            async for chunk in events:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    stopping: asyncio.Event = scope.get(STOPPING) or asyncio.Event()
    tasks = [asyncio.create_task(act) for act in (relay(), disconnected(), stopping.wait())]
    try:
        await asyncio.wait(tasks, timeout=MAX_STREAM, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


async def readiness(ready: Ready | None) -> Response:
    """Return 200 with the state of each dependency, or 503 if one is down."""
    checks = dict(await ready()) if ready is not None else {}
    is_ready = "down" not in checks.values()
    body = encode_json({"status": "ready" if is_ready else "not-ready", "checks": checks})
    return Response(200 if is_ready else 503, body, JSON, [] if is_ready else [("retry-after", "1")])


async def _health(method: str, path: str, ready: Ready | None) -> Response:
    if method not in READS:
        raise MethodNotAllowed.only(*READS)
    return LIVE if path == "/health/live" else await readiness(ready)


def service_app(handle: Handler, *, body_limit: int, ready: Ready | None = None) -> App:
    """Return the ASGI application of one service: `handle`, plus `/health/live` and `/health/ready`."""

    async def respond(scope: Scope, receive: Receive) -> Response:
        headers = headers_of(scope["headers"])
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        try:
            raise_refusal(scope)
            if path in _HEALTH:
                return await _health(method, path, ready)
            has_body = method not in NO_BODY and announced_length(headers, body_limit) != 0
            body = await read_body(receive, body_limit) if has_body else b""
            raise_refusal(scope)
        except AppError as error:
            trace = telemetry.start_span(headers.get("traceparent"), headers.get(REQUEST_ID))
            refusal = problem_response(error, trace.correlation_id)
            # The rest of the body is unread, so the connection cannot take another request.
            refusal.headers.append(("connection", "close"))
            return refusal
        return await handle(Request(method, path, scope["query_string"].decode("latin-1"), headers, body))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send_response(scope, receive, send, await respond(scope, receive))
        except Disconnected:
            return

    return app
