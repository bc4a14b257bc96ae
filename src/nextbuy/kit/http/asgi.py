"""Plain ASGI under the function over bytes: what a service that is served alone in its process is reached by.

There is nothing for a web framework to do here: routes, checks and errors are behind `Handler`. This reads the body
within its bounds, hands over the raw path, and writes the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from nextbuy.contracts.errors import AppError, BadRequest, TooLarge
from nextbuy.kit.observability import telemetry
from nextbuy.kit.wire import JSON, REQUEST_ID, Handler, Request, Response, problem_response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Iterable[tuple[bytes, bytes]]
Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""Says of each thing that is needed whether it is "up", "degraded" (slower, but serving) or "down"."""

BODY_SECONDS: Final = 10.0
"""Seconds that a client may take to send a body."""
NO_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_CONTENT: Final = frozenset({204, 304})

encode_json: Final = msgspec.json.Encoder().encode


class Disconnected(Exception):
    """The client went away before it had sent all of its request."""


class TooSlow(AppError, slug="request-timeout"):
    """The request did not arrive in time. Send it again."""

    status, title = 408, "Request timeout"


def headers_of(raw: RawHeaders) -> dict[str, str]:
    """Return headers by lower-case name; those that come more than once are joined as RFC 9110 and RFC 6265 say."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name in headers:
            joint = "; " if name == "cookie" else ", "
            value = f"{headers[name]}{joint}{value}"
        headers[name] = value
    return headers


def announced_length(headers: Mapping[str, str], limit: int) -> int | None:
    """Return the length that a body is announced with; None where it comes in chunks, 0 where there is none.

    Raises:
        TooLarge: it is more than `limit`.
        BadRequest: it is no length.
    """
    text = headers.get("content-length")
    if text is None:
        return None if "transfer-encoding" in headers else 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:  # noqa: PLR2004 (any longer is no length either)
        raise BadRequest("The Content-Length is no number.")
    if int(text) > limit:
        raise too_large(limit)
    return int(text)


def too_large(limit: int) -> TooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return TooLarge(f"A body may have {limit} bytes here.")


async def read_body(receive: Receive, limit: int, within: float = BODY_SECONDS) -> bytes:
    """Read a request's whole body.

    Raises:
        TooLarge: it has more than `limit` bytes; the rest is not read.
        TooSlow: it took more than `within` seconds.
        Disconnected: the client went away.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within):
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
        raise TooSlow(f"The body did not arrive within {within:g} seconds.") from None


def raw_headers(answer: Response) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers as a server takes them, its length among them."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status not in _NO_CONTENT:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


async def send_response(send: Send, answer: Response) -> None:
    """Write an answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": raw_headers(answer)})
    await send({"type": "http.response.body", "body": b"" if answer.status in _NO_CONTENT else answer.body})


async def readiness(ready: Ready | None) -> Response:
    """Ask `ready` and tell: 200 where nothing that is needed is down, else 503."""
    checks = dict(await ready()) if ready is not None else {}
    good = "down" not in checks.values()
    body = encode_json({"status": "ready" if good else "not-ready", "checks": checks})
    return Response(200 if good else 503, body, JSON, [] if good else [("retry-after", "1")])


def service_app(handle: Handler, *, body_limit: int, ready: Ready | None = None) -> App:
    """Return the ASGI application of one service: `handle`, and `/health/live` and `/health/ready` beside it."""

    async def answer(scope: Scope, receive: Receive) -> Response:
        path = scope["raw_path"].decode("latin-1")
        if path == "/health/live":
            return Response(200, b'{"status":"live"}')
        if path == "/health/ready":
            return await readiness(ready)
        headers = headers_of(scope["headers"])
        method = scope["method"]
        try:
            has_body = method not in NO_BODY and announced_length(headers, body_limit) != 0
            body = await read_body(receive, body_limit) if has_body else b""
        except AppError as error:
            trace = telemetry.start_span(headers.get("traceparent"), headers.get(REQUEST_ID))
            refusal = problem_response(error, trace.correlation_id)
            # What is left of the body is not read: this connection is of no use any more.
            refusal.headers.append(("connection", "close"))
            return refusal
        return await handle(Request(method, path, scope["query_string"].decode("latin-1"), headers, body))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send_response(send, await answer(scope, receive))
        except Disconnected:
            return

    return app
