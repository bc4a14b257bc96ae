"""The gateway's own addresses: health, the documents, and the API browser that reads them."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

from nextbuy.contracts.errors import MethodNotAllowed
from nextbuy.kit.http.asgi import Ready, readiness
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.wire import JSON, Response, problem_response

_READY_FOR: Final = 0.5
"""Seconds for which what is known of readiness is told again."""
_READY_LIMIT: Final = 3.0
_SAFE: Final = frozenset({"GET", "HEAD"})
_HTML: Final = "text/html; charset=utf-8"
_PAGES: Final = {"/docs": "docs", "/docs/problems": "docs", "/docs/events": "events"}


class Own:
    """Answers what is asked of the gateway itself."""

    def __init__(
        self, ready: Ready, breakers: Mapping[str, Breaker], documents: Mapping[str, Callable[[], bytes]]
    ) -> None:
        """Tell of `ready` and of the breakers; make `documents`, by path, when they are first asked for."""
        self._ready = ready
        self._breakers = breakers
        self._documents = documents
        self._kept: dict[bytes, Response] = {}
        self._health: asyncio.Task[Response] | None = None
        self._health_until = 0.0

    async def answer(self, method: str, path: bytes) -> Response | None:
        """Answer, or return None where the address is not the gateway's own."""
        if path == b"/health/live":
            answer: Response | None = Response(200, b'{"status":"live"}')
        elif path == b"/health/ready":
            answer = await self._readiness()
        else:
            answer = await self._document(path)
        if answer is not None and method not in _SAFE:
            return problem_response(MethodNotAllowed(f"{method} is not for this address."), "none")
        return answer

    async def _readiness(self) -> Response:
        if self._health is None or (self._health.done() and time.monotonic() >= self._health_until):
            self._health = asyncio.create_task(self._check())
        return await asyncio.shield(self._health)

    async def _check(self) -> Response:
        try:
            async with asyncio.timeout(_READY_LIMIT):
                return await readiness(self._states)
        except TimeoutError:
            return Response(503, b'{"status":"not-ready","checks":{"gateway":"down"}}', JSON, [("retry-after", "1")])
        finally:
            self._health_until = time.monotonic() + _READY_FOR

    async def _states(self) -> Mapping[str, str]:
        states = dict(await self._ready())
        for name, breaker in self._breakers.items():
            # It answers its probe and fails its requests, or did a moment ago.
            if states.get(name) == "up" and breaker.state != "closed":
                states[name] = "degraded"
        return states

    async def _document(self, path: bytes) -> Response | None:
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        name = path.decode("latin-1")
        if name in _PAGES:
            kept = await asyncio.to_thread(browser, _PAGES[name])
        elif name in self._documents:
            kept = Response(200, await asyncio.to_thread(self._documents[name]), JSON, [("cache-control", "no-cache")])
        if kept is not None:
            self._kept[path] = kept
        return kept


def browser(name: str) -> Response:
    """Return a page that shows a document: one file, so that it works where there is no other server than this."""
    folder = resources.files("nextbuy.gateway") / "pages"
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    hashes: dict[str, str] = {}
    for part in ("docs.css", "common.js", f"{name}.js"):
        text = (folder / part).read_text(encoding="utf-8")
        page = page.replace(f"/* {part} */", text)
        hashes[part] = f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    style, *scripts = hashes.values()
    policy = (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src {style}; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(200, page.encode(), _HTML, [("content-security-policy", policy), ("cache-control", "no-cache")])
