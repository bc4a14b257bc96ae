"""The gateway as an ASGI application: the path of one request from the socket to its service and back."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from nextbuy.contracts.errors import (
    AppError,
    EndpointNotFound,
    InternalError,
    MethodNotAllowed,
)
from nextbuy.gateway.addresses import PATH_LIMIT, QUERY_LIMIT, Addresses, clean_query
from nextbuy.gateway.bodies import ClientBody, read_away
from nextbuy.gateway.forward import LIMIT, Forwarder, slug_of
from nextbuy.gateway.headers import Outgoing, header_of, incoming
from nextbuy.gateway.limiter import Limiter, SlowDown, Store
from nextbuy.gateway.own import Own
from nextbuy.gateway.targets import Streamed, Target
from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import (
    BODY_SECONDS,
    App,
    Disconnected,
    Message,
    Ready,
    Receive,
    Scope,
    Send,
    announced_length,
    read_body,
)
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.wire import CLIENT, REQUEST_ID, Request, Response, problem_response

log: Final = logging.getLogger(__name__)

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a request body; a route may take less."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_CONTENT: Final = frozenset({204, 304})
_SMALL: Final = 64 * 1024
"""Request bodies of up to so many bytes are read whole before anything is asked of a service."""


class TooLong(AppError, slug="url-too-long"):
    """The URL is too long."""

    status, title = 414, "URL too long"


class Gateway:
    """The one door to the marketplace."""

    def __init__(  # noqa: PLR0913
        self,
        targets: Mapping[str, Target],
        *,
        settings: Settings,
        journal: Journal,
        redis: Store,
        verifier: TokenVerifier,
        ready: Ready,
        documents: Mapping[str, Callable[[], bytes]],
        fallback: App | None = None,
        limit: float = LIMIT,
    ) -> None:
        """Lead to `targets`, by service name; `fallback` answers what is no address of theirs or of the gateway's own.

        `documents` make `/openapi.json` and `/asyncapi.json`, by path, once they are asked for. `limit` is how many
        seconds a service has for an answer.
        """
        self._targets = targets
        self._addresses = Addresses(targets)
        self._journal = journal
        self._out = Outgoing(settings)
        self._limiter = Limiter(redis, verifier) if settings.rate_limits else None
        self._fallback = fallback
        self.breakers = {name: Breaker(time.monotonic) for name in targets}
        self._forwarder = Forwarder(targets, self.breakers, journal, limit=limit)
        self._own = Own(ready, self.breakers, documents)
        if not settings.rate_limits:
            log.warning("rate limits are off (NEXTBUY_RATE_LIMITS): for load tests only")

    async def close(self) -> None:
        """Let go of the connections to services."""
        for target in self._targets.values():
            await target.close()
        if self._limiter is not None:
            await self._limiter.close()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[None, None, None]:
        """Answer one request; nothing but HTTP is served here."""
        raw_path: bytes = scope["raw_path"]
        service = self._addresses.service(raw_path) if len(raw_path) <= PATH_LIMIT else None
        if service is not None:
            return self._api(service, raw_path.decode(), scope, receive, send)
        return self._other(raw_path, scope, receive, send)

    async def _api(self, service: str, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        method: str = scope["method"]
        origin: str | None = None
        trace: SpanContext | None = None
        # A token that somebody put into an address must not be read back from a log.
        name = f"{method} {path}" if "eyJ" not in path else f"{method} /{service}/api/[hidden]"
        try:
            headers = incoming(scope["headers"])
            origin = headers.get("origin")
            trace = telemetry.start_span(
                headers.get("traceparent"), headers.get(REQUEST_ID), sampled=method not in _NO_BODY
            )
            answer = await self._answer(service, path, headers, scope, receive, trace, name)
        except AppError as error:
            trace = trace or telemetry.start_span()
            answer = _refusal(error, trace)
        except (Disconnected, asyncio.CancelledError) as error:
            gone = isinstance(error, Disconnected)
            self._tell(
                name, trace or telemetry.start_span(), began, 499 if gone else 0, "client-gone" if gone else "cancelled"
            )
            if gone:
                return
            raise
        except Exception:
            trace = trace or telemetry.start_span()
            log.exception("%s broke in the gateway", name)
            answer = problem_response(
                InternalError("Something broke on our side; it has been logged under this id."), trace.correlation_id
            )
        status = answer.status
        self._tell(name, trace, began, status, "ok" if status < 400 else slug_of(answer))  # noqa: PLR2004
        await self._send(send, answer, trace, origin, receive)

    async def _answer(  # noqa: PLR0913, PLR0917
        self,
        service: str,
        path: str,
        headers: dict[str, str],
        scope: Scope,
        receive: Receive,
        trace: SpanContext,
        name: str,
    ) -> Response:
        method: str = scope["method"]
        query: bytes = scope["query_string"]
        if method == "OPTIONS" and "access-control-request-method" in headers:
            return self._out.preflight(headers.get("origin"))
        if method not in _METHODS:
            raise MethodNotAllowed(f"{method} is not for any address.")
        if len(query) > QUERY_LIMIT:
            raise TooLong(f"A query may have {QUERY_LIMIT} characters.")
        client = scope["client"]
        address = client[0] if client else "local"
        if self._limiter is not None:
            await self._limiter.admit(method, path, headers, address)
        headers[CLIENT] = address
        headers[REQUEST_ID] = trace.correlation_id
        request = Request(method, path, clean_query(query) if query else "", headers)
        body: ClientBody | None = None
        if method not in _NO_BODY:
            size = announced_length(headers, BODY_LIMIT)
            if size != 0:
                if self._forwarder.streams(service) and (size is None or size > _SMALL):
                    body = ClientBody(receive, size, BODY_LIMIT)
                else:
                    request.body = await read_body(receive, BODY_LIMIT, BODY_SECONDS)
            headers.pop("transfer-encoding", None)
        return await self._forwarder.forward(service, request, body, trace, name)

    async def _send(
        self, send: Send, answer: Response, trace: SpanContext, origin: str | None, receive: Receive | None = None
    ) -> None:
        headers = self._out.of(answer, trace.correlation_id, origin)
        status = answer.status
        if type(answer) is Streamed:
            if answer.size is not None:
                headers.append((b"content-length", b"%d" % answer.size))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if answer.rest is not None:
                async for piece in answer.rest:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        body = answer.body
        if status not in _NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(body)))
        if status in {408, 413}:
            # What is left of the body is not read, or thrown away: this connection is of no use any more.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if status == 413 and receive is not None:  # noqa: PLR2004
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await read_away(receive)
            body = b""
        await send({"type": "http.response.body", "body": body})

    def _tell(self, name: str, trace: SpanContext, began: float, status: int, outcome: str) -> None:
        self._journal.interaction(
            "request", "client", "gateway", name, trace=trace, began=began, outcome=outcome, status=status
        )

    async def _other(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        trace = telemetry.start_span(header_of(scope, b"traceparent"), header_of(scope, REQUEST_ID.encode()))
        origin = header_of(scope, b"origin")
        answer = await self._own.answer(method, raw_path)
        if answer is not None:
            await self._send(send, answer, trace, origin)
            return
        began = time.perf_counter()
        status, outcome = 404, EndpointNotFound.slug
        try:
            if len(raw_path) > PATH_LIMIT:
                raise TooLong(f"An address may have {PATH_LIMIT} characters.")
            incoming(scope["headers"])
            if self._fallback is not None and self._addresses.may_be_page(raw_path):
                status = await self._page(self._fallback, scope, receive, send, trace)
                outcome = "ok" if status < 400 else "refused"  # noqa: PLR2004
            elif raw_path == b"/" and method in _NO_BODY:
                status, outcome = 307, "ok"
                await self._send(send, Response(307, content_type="", headers=[("location", "/docs")]), trace, origin)
            else:
                raise EndpointNotFound
        except AppError as error:
            status, outcome = error.status, error.slug
            await self._send(send, _refusal(error, trace), trace, origin)
        finally:
            self._tell(f"{method} (page)" if status < 400 else f"{method} (elsewhere)", trace, began, status, outcome)  # noqa: PLR2004

    async def _page(self, page: App, scope: Scope, receive: Receive, send: Send, trace: SpanContext) -> int:
        """Let the shop's pages answer, with the headers that every answer has; return the status."""
        status = 500

        async def completing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = [(name.lower(), value) for name, value in message.get("headers", ())]
                message = {
                    **message,
                    "headers": [*self._out.completed(said), (b"x-request-id", trace.correlation_id.encode())],
                }
            await send(message)

        with telemetry.use_span(trace):
            await page(scope, receive, completing)
        return status


def _refusal(error: AppError, trace: SpanContext) -> Response:
    answer = problem_response(error, trace.correlation_id)
    if isinstance(error, SlowDown):
        answer.headers.extend(error.headers)
    return answer
