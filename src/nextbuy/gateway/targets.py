"""Where a service is: in this process, or behind a pool of kept connections. Either is asked in the same way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from nextbuy.contracts.errors import (
    AppError,
    DeadlinePassed,
    ServiceUnavailable,
)
from nextbuy.gateway.headers import HOP_BY_HOP
from nextbuy.kit.wire import PROBLEM, Handler, Request, Response

_CONNECTIONS: Final = 200
_WHOLE: Final = 64 * 1024
"""Answers of up to so many bytes are read whole, larger ones are passed on as they come."""
_CONNECT_SECONDS: Final = 1.0
_CHUNK_SECONDS: Final = 10.0
"""Seconds between two pieces of an answer that is passed on."""
_NOT_SENT: Final = HOP_BY_HOP | {"host", "content-length"}


class Streamed(Response):
    """An answer whose body is still on its way (or, to HEAD, not asked for); `size` is its length, if known."""

    rest: AsyncIterator[bytes] | None = None
    size: int | None = None


class Incoming(Protocol):
    """A request body that is still on its way from the client; `failure` is what ended it too early."""

    size: int | None
    failure: Exception | None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give its pieces."""
        ...


class Target(Protocol):
    """One service, as the gateway sees it."""

    streams: bool
    """Does it take a request body that is still on its way?"""

    def deliver(self, request: Request, body: Incoming | None) -> Awaitable[Response]:
        """Carry a request, and its body where that is not in the request already; return the answer.

        Raises:
            Unavailable: the service cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Here:
    """A service in this process: nothing but a call, in the task that the request already has."""

    streams = False

    def __init__(self, name: str, handler: Callable[[], Handler | None]) -> None:
        """Hand requests to what `handler` gives; None means that the service is not up (yet, or any more)."""
        self._name = name
        self._handler = handler

    def deliver(self, request: Request, body: Incoming | None) -> Awaitable[Response]:  # noqa: ARG002 (it is in the request)
        """Run the service's handler."""
        handle = self._handler()
        if handle is None:
            raise unreachable(self._name)
        return handle(request)

    async def close(self) -> None:
        """Nothing is held."""


class There:
    """A service in another process."""

    streams = True

    def __init__(self, name: str, url: str) -> None:
        """Speak to the service at `url` (scheme, host and port)."""
        self._name = name
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, request: Request, body: Incoming | None) -> Response:
        """Send the request over HTTP/1.1."""
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name not in _NOT_SENT)
        if body is not None and body.size is not None:
            headers["content-length"] = str(body.size)
        query = f"?{request.query}" if request.query else ""
        try:
            response = await self._opened().request(
                request.method,
                URL(f"{self._url}{request.path}{query}", encoded=True),
                headers=headers,
                data=request.body or body,
                allow_redirects=False,
            )
            return await self._answer(request.method, response)
        except TimeoutError:
            raise DeadlinePassed(f"The {self._name} service did not answer in time.", retry_after=1) from None
        except (aiohttp.ClientError, OSError) as error:
            if body is not None and body.failure is not None:
                raise body.failure from None
            raise unreachable(self._name) from error

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=15),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            )
        return self._session

    async def _answer(self, method: str, response: aiohttp.ClientResponse) -> Response:
        names = response.headers
        kind = names.get("content-type", "")
        headers = [(name.lower(), value) for name, value in names.items()]
        length = response.content_length
        if method == "HEAD":
            response.release()
            return Streamed(response.status, b"", kind, headers, size=length)
        if (length is not None and length <= _WHOLE) or kind == PROBLEM:
            return Response(response.status, await response.read(), kind, headers)
        return Streamed(response.status, b"", kind, headers, rest=self._pieces(response), size=length)

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            while True:
                async with asyncio.timeout(_CHUNK_SECONDS):
                    piece = await response.content.readany()
                if not piece:
                    return
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self._name) from error
        finally:
            response.close()


def unreachable(name: str) -> AppError:
    """Return the error that says that a service cannot be reached."""
    return ServiceUnavailable(name)
