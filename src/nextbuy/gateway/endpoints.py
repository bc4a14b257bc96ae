"""The gateway's own endpoints: health, the API documents, and the API browser that shows them."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

from nextbuy.contracts.errors import EndpointNotFound, MethodNotAllowed
from nextbuy.gateway.routes import Route
from nextbuy.gateway.status import StatusEndpoint
from nextbuy.kit.http.asgi import LIVE, Ready, readiness
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.wire import AGE, JSON, READS, Handler, Request, Response

_READINESS_AGE: Final = 0.5
"""Seconds for which a readiness response is reused for all clients."""
_READINESS_TIMEOUT: Final = 3.0
_PUBLIC: Final = (AGE, "0")
_HTML: Final = "text/html; charset=utf-8"
_BROWSER: Final = {"/docs": "docs", "/docs/problems": "docs", "/docs/events": "events"}
"""The pages of the API browser, by path."""


class GatewayEndpoints:
    """The handlers of requests to the gateway itself."""

    def __init__(
        self,
        ready: Ready,
        breakers: Mapping[str, Breaker],
        documents: Mapping[str, Callable[[], bytes]],
        status: StatusEndpoint,
    ) -> None:
        """Compute readiness from `ready` and the breakers, and build each of `documents` at its first request."""
        self._ready = ready
        self._status = status
        self._breakers = breakers
        self._documents = documents
        self._built: dict[str, asyncio.Task[Response]] = {}
        """The build of each document, under way or done, by path. All clients share it."""
        self._readiness: asyncio.Task[Response] | None = None
        self._readiness_until = 0.0

    def routes(self) -> dict[bytes, Route]:
        """Return the routes by path."""
        health = Route(self._answer, log="nothing")
        document = Route(self._answer, log="nothing", rate_limited=True)
        status = Route(self._answer, log="nothing", takes_identity=True)
        routes = {path: health if path.startswith("/health/") else document for path in (*_BROWSER, *self._documents)}
        routes |= {"/health/live": health, "/health/ready": health, "/health/status": status}
        return {path.encode(): route for path, route in routes.items()}

    async def _answer(self, request: Request, _span: SpanContext, _name: str) -> Response:
        path = request.path
        if request.method not in READS:
            raise MethodNotAllowed.only(*READS)
        if path == "/health/live":
            return LIVE
        if path == "/health/ready":
            return await self._current_readiness()
        if path == "/health/status":
            breakers = {name: breaker.state for name, breaker in self._breakers.items()}
            return await self._status.answer(request, self._states, breakers)
        build = self._built.get(path)
        if build is None or (build.done() and build.exception() is not None):
            # In a thread, since it takes most of a second, in which the event loop serves others.
            build = self._built[path] = asyncio.create_task(asyncio.to_thread(self._document, path))
        return await asyncio.shield(build)

    async def _current_readiness(self) -> Response:
        if self._readiness is None or (self._readiness.done() and time.monotonic() >= self._readiness_until):
            self._readiness = asyncio.create_task(self._check())
        return await asyncio.shield(self._readiness)

    async def _check(self) -> Response:
        try:
            async with asyncio.timeout(_READINESS_TIMEOUT):
                return await readiness(self._states)
        except TimeoutError:
            return Response(503, b'{"status":"not-ready","checks":{"gateway":"down"}}', JSON, [("retry-after", "1")])
        finally:
            self._readiness_until = time.monotonic() + _READINESS_AGE

    async def _states(self) -> Mapping[str, str]:
        states = dict(await self._ready())
        for name, breaker in self._breakers.items():
            # The service answers probes, but requests to it failed a moment ago.
            if states.get(name) == "up" and breaker.state != "closed":
                states[name] = "degraded"
        return states

    def _document(self, path: str) -> Response:
        if path in _BROWSER:
            return browser_page(_BROWSER[path])
        return Response(200, self._documents[path](), JSON, [_PUBLIC])


def no_pages(_api: Handler) -> Handler:
    """Return the handler of a gateway without pages, which redirects `/` to the API browser."""

    async def redirect(request: Request) -> Response:
        if request.path != "/":
            raise EndpointNotFound
        return Response(307, content_type="", headers=[("location", "/docs")])

    return redirect


def browser_page(name: str) -> Response:
    """Return a page of the API browser with its scripts and style inlined; the CSP allows those by hash."""
    folder = resources.files("nextbuy.gateway") / "pages"
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    hashes: dict[str, str] = {}
    for file in ("docs.css", "common.js", f"{name}.js"):
        source = (folder / file).read_text(encoding="utf-8")
        page = page.replace(f"/* {file} */", source)
        hashes[file] = f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
    style, *scripts = hashes.values()
    policy = (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src {style}; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(200, page.encode(), _HTML, [("content-security-policy", policy), _PUBLIC])
