"""The gateway as an ASGI application: `Gateway.__call__` handles every request, step by step."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from nextbuy.contracts.errors import AppError, InternalError
from nextbuy.gateway.bodies import discard_rest
from nextbuy.gateway.endpoints import GatewayEndpoints, no_pages
from nextbuy.gateway.forward import TIMEOUT, Forwarder, slug_of
from nextbuy.gateway.headers import ResponseHeaders, identity_header, request_headers
from nextbuy.gateway.limiter import Limiter, RateLimited, Store
from nextbuy.gateway.page_requests import PageRequests
from nextbuy.gateway.representations import Representations
from nextbuy.gateway.routes import Answer, Route, Routes, decode_query, names_html
from nextbuy.gateway.status import Collected, StatusEndpoint
from nextbuy.gateway.web_requests import age_header, as_sent_by_web, claimed_headers, is_signed_by_web
from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import (
    BODY_TIMEOUT,
    NO_BODY,
    NO_CONTENT,
    Disconnected,
    Ready,
    Receive,
    Scope,
    Send,
    announced_length,
    events_of,
    raise_refusal,
    read_body,
    send_events,
)
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.local_urls import loopback_origins
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.redaction import reason_of
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.service_identity import GATEWAY, WEB, ServiceIdentity, ServiceIdentityRequired
from nextbuy.kit.wire import (
    CLIENT,
    IDENTITY,
    ORIGIN,
    REQUEST_ID,
    TOO_MANY_REQUESTS,
    Handler,
    Request,
    Response,
    StreamedResponse,
    problem_response,
)

log: Final = logging.getLogger(__name__)

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a request body; a service's route may allow less."""
_CLIENT_CLOSED_REQUEST: Final = 499
"""Logged status of a request whose client disconnected, as in nginx."""
_FAILED: Final = InternalError()


class Gateway:
    """The entry point of the marketplace: services, its own endpoints and the pages, under one host."""

    def __init__(  # noqa: PLR0913
        self,
        transports: Mapping[str, Transport],
        *,
        settings: Settings,
        journal: Journal,
        redis: Store,
        verifier: TokenVerifier,
        ready: Ready,
        documents: Mapping[str, Callable[[], bytes]],
        collect_status: Callable[[], Awaitable[Collected]],
        pages: Callable[[Handler], Handler] = no_pages,
        timeout: float = TIMEOUT,
    ) -> None:
        """Serve the API of the services in `transports`, by name; `web` among them is the pages in another process.

        Rate limits are stored in `redis` and apply per account, which `verifier` reads from the token. `ready` returns
        the states of all services, PostgreSQL, Redis and Kafka. `documents` maps paths to functions that build a
        document at its first request. `collect_status` returns the details of `/health/status`. `pages` returns the
        handler of the pages in this process, which send requests to the API through its argument. A service must
        respond within `timeout` seconds.
        """
        breakers = Breakers(GATEWAY, transports, time.monotonic)
        identity = self._identity = ServiceIdentity(settings.secret, GATEWAY)
        self._transports = transports
        self._journal = journal
        self._loopback_origins = loopback_origins(settings.port) if settings.follow_loopback else {}
        self._response_headers = ResponseHeaders(settings)
        self._representations = Representations()
        self._limiter = Limiter(redis, verifier, prefix=settings.redis_prefix) if settings.rate_limits else None
        forwarder = Forwarder(transports, breakers, identity, journal, timeout=timeout)
        status = StatusEndpoint(collect_status, verifier, identity)
        page_requests = PageRequests()
        self._web_is_remote = WEB in transports
        self._answer_page: Answer = (
            partial(forwarder.forward, WEB) if self._web_is_remote else _in_process(pages(page_requests.answer))
        )
        self._routes = page_requests.routes = Routes(
            services={
                name: Route(partial(forwarder.forward, name), "path", rate_limited=True)
                for name in transports
                if name != WEB
            },
            endpoints=GatewayEndpoints(
                ready, {name: breakers.of(name) for name in transports}, documents, status
            ).routes(),
            pages=Route(self._answer_page, log="page", rate_limited=True),
        )
        if not settings.rate_limits:
            log.warning("rate limits are off (NEXTBUY_RATE_LIMITS); unset it outside of load tests")

    async def close(self) -> None:
        """Close the connections to services and to Redis."""
        for transport in self._transports.values():
            await transport.close()
        if self._limiter is not None:
            await self._limiter.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request: head, path, limits, identity, body, forward, log, headers."""
        started = time.perf_counter()
        method: str = scope["method"]
        name = f"{method} (unknown path)" if method else "(malformed request)"
        span: SpanContext | None = None
        origin: str | None = None
        reason = ""
        by_web = False
        try:
            headers = request_headers(scope["headers"])
            origin = headers.get("origin")
            span = telemetry.start_span(
                headers.get("traceparent"), headers.get(REQUEST_ID), sampled=method not in NO_BODY
            )

            raise_refusal(scope)

            route, path = self._routes.find(scope["raw_path"], headers.get("accept", ""))
            name = route.log_name(method, path)
            if route.takes_identity and (identity := identity_header(scope["headers"])):
                headers[IDENTITY] = identity

            if method == "OPTIONS" and "access-control-request-method" in headers:
                response = self._response_headers.preflight(origin)
            else:
                headers[REQUEST_ID] = span.correlation_id
                query = decode_query(scope["query_string"]) if scope["query_string"] else ""
                request = Request(method, path, query, headers)
                may_claim = self._web_is_remote and route.log != "page"
                claimed = claimed_headers(scope["headers"]) if may_claim else {}
                by_web = await self._admit(route, request, scope, receive, claimed)

                response = await route.answer(request, span, name)
                if not by_web:
                    response = await self._representations.negotiate(request, response, started)
        except asyncio.CancelledError:
            self._log(name, span, started, 0, "cancelled")
            raise
        except Disconnected:
            self._log(name, span, started, _CLIENT_CLOSED_REQUEST, "client-gone")
            return
        except AppError as error:
            span = span or telemetry.start_span()
            response, reason = await self._refuse(error, name, scope, span), reason_of(error)
        except Exception:
            span = span or telemetry.start_span()
            with telemetry.use_span(span):
                log.exception("request failed; answered with status 500: %s", name)
            response = problem_response(_FAILED, span.correlation_id)

        status = response.status
        outcome = "ok" if status < 400 else slug_of(response)  # noqa: PLR2004
        self._log(name, span, started, status, outcome, reason, caller=WEB if by_web else "client")
        response_headers = self._response_headers.of(response, span.correlation_id, origin)
        if by_web:
            response_headers += age_header(response)
        await _send(scope, receive, send, response, response_headers)

    async def _admit(
        self, route: Route, request: Request, scope: Scope, receive: Receive, claimed: Mapping[str, str]
    ) -> bool:
        """Read a request's body and apply the limits of its client, unless `web` has signed it; return whether it has.

        Raises:
            ServiceIdentityRequired: it has `claimed` to be of `web`, which has not signed it.
        """
        headers: Any = request.headers
        client = scope["client"][0] if scope["client"] else "local"
        if claimed:
            headers.update(as_sent_by_web(headers | claimed))
            request.body = await _read_body(request.method, headers, receive)
            raise_refusal(scope)
            if is_signed_by_web(self._identity, request):
                del headers[IDENTITY]
                return True
        if route.rate_limited and self._limiter is not None:
            await self._limiter.admit(request.method, request.path, headers, client)
        if claimed:
            raise ServiceIdentityRequired
        headers[CLIENT] = client
        if host := self._loopback_origins.get(headers.get("host", "").lower()):
            headers[ORIGIN] = host
        request.body = await _read_body(request.method, headers, receive)
        raise_refusal(scope)
        return False

    async def _refuse(self, error: AppError, name: str, scope: Scope, span: SpanContext) -> Response:
        """Return a problem document; a page instead, if a browser requested one beyond its rate limit."""
        problem = problem_response(error, span.correlation_id)
        accept = next((value for header, value in scope["headers"] if header == b"accept"), b"")
        if not (isinstance(error, RateLimited) and name.endswith("(page)") and names_html(accept.decode("latin-1"))):
            return problem
        wait = dict(problem.headers)["retry-after"]
        try:
            page = await self._answer_page(Request("GET", TOO_MANY_REQUESTS, f"seconds={wait}", {}), span, name)
        except AppError:
            return problem
        policy = [pair for pair in page.headers if pair[0] == "content-security-policy"]
        return Response(problem.status, page.body, page.content_type, [*policy, *problem.headers])

    def _log(  # noqa: PLR0913
        self,
        name: str,
        span: SpanContext | None,
        started: float,
        status: int,
        outcome: str,
        reason: str = "",
        *,
        caller: str = "client",
    ) -> None:
        if name:
            self._journal.interaction(
                "request",
                caller,
                "gateway",
                name,
                trace=span or telemetry.start_span(),
                began=started,
                outcome=outcome,
                status=status,
                reason=reason,
            )


def _in_process(pages: Handler) -> Answer:
    async def answer(request: Request, span: SpanContext, _name: str) -> Response:
        request.trace = span
        return await pages(request)

    return answer


async def _read_body(method: str, headers: dict[str, str], receive: Receive) -> bytes:
    """Read a whole body, because its hash is in the signature, which precedes it."""
    if method in NO_BODY:
        return b""
    size = announced_length(headers, BODY_LIMIT)
    headers.pop("transfer-encoding", None)
    return b"" if size == 0 else await read_body(receive, BODY_LIMIT, BODY_TIMEOUT)


async def _send(
    scope: Scope, receive: Receive, send: Send, response: Response, headers: list[tuple[bytes, bytes]]
) -> None:
    status, body = response.status, response.body
    if (events := events_of(response)) is not None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send_events(scope, receive, send, events)
        await send({"type": "http.response.body", "body": b""})
        return
    if type(response) is StreamedResponse:
        if response.size is not None:
            headers.append((b"content-length", b"%d" % response.size))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if response.chunks is not None:
            async for chunk in response.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if status not in NO_CONTENT:
        headers.append((b"content-length", b"%d" % len(body)))
    if status in {408, 413}:
        # The rest of the request body is unread, so the connection cannot take another request.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if status == 413:  # noqa: PLR2004
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await discard_rest(receive)
        body = b""
    await send({"type": "http.response.body", "body": body})
