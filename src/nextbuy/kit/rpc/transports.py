"""Two ways to carry a request to a service: in this process, or HTTP. One suite holds both to the same promises."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol

import aiohttp
from yarl import URL

from nextbuy.contracts.errors import (
    BadGateway,
    DeadlinePassed,
    ServiceUnavailable,
)
from nextbuy.kit.wire import Handler, Request, Response

_CONNECTIONS: Final = 100
"""Most open connections from one process to one service."""
_ANSWER_LIMIT: Final = 8 * 1024 * 1024


class Transport(Protocol):
    """Carries a request to one service and brings its answer."""

    async def deliver(self, request: Request, within: float) -> Response:
        """Carry it; give up after `within` seconds.

        Raises:
            DeadlinePassed: no answer in time.
            Unavailable: the service cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class LocalTransport:
    """To a service in this process. Each delivery runs in a task and context of its own, as in another process."""

    def __init__(self, name: str, handler: Callable[[], Handler | None]) -> None:
        """Speak to what `handler` gives; None means that the service is not up (yet, or any more)."""
        self._name = name
        self._handler = handler

    async def deliver(self, request: Request, within: float) -> Response:
        """Run the service's handler on the request."""
        handle = self._handler()
        if handle is None:
            raise ServiceUnavailable(self._name)
        task = asyncio.get_running_loop().create_task(_run(handle, request), context=Context())
        try:
            async with asyncio.timeout(within):
                return await task
        except TimeoutError:
            raise DeadlinePassed(f"The {self._name} service did not answer in time.", retry_after=1) from None

    async def close(self) -> None:
        """Nothing is held."""


async def _run(handle: Handler, request: Request) -> Response:
    return await handle(request)


class HttpTransport:
    """To a service in another process, through a pool of kept connections."""

    def __init__(self, name: str, url: str) -> None:
        """Speak to the service at `url` (scheme, host and port)."""
        self._name = name
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """Return the pooled session, opened at the first use (it belongs to the running loop)."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=15),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=1.0),
            )
        return self._session

    async def deliver(self, request: Request, within: float) -> Response:
        """Send the request over HTTP/1.1."""
        url = self._url + request.path + (f"?{request.query}" if request.query else "")
        try:
            async with (
                asyncio.timeout(within),
                self.session().request(
                    request.method,
                    URL(url, encoded=True),
                    headers=dict(request.headers),
                    data=request.body or None,
                    allow_redirects=False,
                ) as response,
            ):
                body = await self._whole(response)
                headers = [(name.lower(), value) for name, value in response.headers.items()]
        except TimeoutError:
            raise DeadlinePassed(f"The {self._name} service did not answer in time.", retry_after=1) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailable(self._name) from error
        content_type = next((value for name, value in headers if name == "content-type"), "")
        kept = [pair for pair in headers if pair[0] not in _HOP_BY_HOP]
        return Response(response.status, body, content_type, kept)

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > _ANSWER_LIMIT:
                raise BadGateway(f"The {self._name} service answered with too much.")
        return b"".join(pieces)

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()


_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "content-length",
        "content-type",
        "date",
        "server",
    }
)
