"""The two ways to deliver a request to a service: in this process, or over HTTP.

Internal calls and the gateway use the same transports; one test suite holds both to the same behaviour.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import Final, Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from nextbuy.contracts.errors import BadGateway, DeadlinePassed, ServiceUnavailable
from nextbuy.kit.time_limit import TimeLimit
from nextbuy.kit.wire import (
    EVENT_STREAM,
    HOP_BY_HOP,
    IDENTITY,
    PROBLEM,
    STREAM_PATH,
    Handler,
    Request,
    Response,
    StreamedResponse,
)

_RESPONSE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a response that is read whole."""
_BUFFERED: Final = 64 * 1024
"""Bytes. A streaming transport reads responses up to this size whole, because that is cheaper."""
_CONNECT_TIMEOUT: Final = 1.0
"""Seconds until a service that accepts no connection counts as unavailable."""
_STREAM_TIMEOUT: Final = 10.0
"""Seconds that a service may take to send a streamed response, without the time that the client takes to read it."""
_MAX_SILENCE: Final = 30.0
"""Seconds without a byte after which an event stream counts as ended: twice the time between heartbeats."""
_KEEP_ALIVE: Final = 15
"""Seconds. Shorter than our own server's, so that no request meets a connection that the server is closing."""
_NOT_SENT: Final = HOP_BY_HOP | {"host", "content-length"}


class Transport(Protocol):
    """A way to deliver requests to one service."""

    async def deliver(self, request: Request, timeout: float) -> Response:
        """Deliver a request and return its response, whatever the status.

        Args:
            request: the service refuses it without a `sender`.
            timeout: seconds until the response, or the first chunk of a streamed one.

        Raises:
            DeadlinePassed: no response in time.
            ServiceUnavailable: the service cannot be reached.
            BadGateway: the response is too large to be read whole.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class LocalTransport:
    """A transport to a service in this process, which trusts the sender without a signature."""

    def __init__(self, name: str, handler: Callable[[], Handler | None], *, isolated: bool = True) -> None:
        """Deliver to the result of `handler()`; None means that the service is not running.

        `isolated` runs each request in a task and context of its own, as another process would; a caller that handles
        nothing else in its task does not need it.
        """
        self._name = name
        self._handler = handler
        self._isolated = isolated

    async def deliver(self, request: Request, timeout: float) -> Response:
        """Run the handler on the request."""
        handle = self._handler()
        if handle is None:
            raise ServiceUnavailable(self._name)
        try:
            with TimeLimit(timeout):
                if not self._isolated:
                    return await handle(request)
                return await asyncio.get_running_loop().create_task(_run(handle, request), context=Context())
        except TimeoutError:
            raise _timed_out(self._name) from None

    async def close(self) -> None:
        """Do nothing; no connection is held."""


async def _run(handle: Handler, request: Request) -> Response:
    return await handle(request)


class HttpTransport:
    """A transport to a service in another process, over HTTP/1.1 with a pool of connections; it signs each request."""

    def __init__(self, name: str, url: str, *, streaming: bool = False, connections: int = 100) -> None:
        """Reach the service at `url`; `streaming` returns large responses as `StreamedResponse`."""
        self._streaming = streaming
        self._name = name
        self._url = url.rstrip("/")
        self._connections = connections
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """The pool of connections for event streams (True), which the service bounds, and the pool for the rest."""

    async def deliver(self, request: Request, timeout: float) -> Response:
        """Sign and send the request."""
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name not in _NOT_SENT)
        if request.sender is not None:
            headers[IDENTITY] = request.sender.sign(
                self._name, request.method, request.target, request.body, request.headers
            )
        try:
            with TimeLimit(timeout):
                response = await self._session(stream=request.path.endswith(STREAM_PATH)).request(
                    request.method,
                    URL(f"{self._url}{request.target}", encoded=True),
                    headers=headers,
                    data=request.body or None,
                    allow_redirects=False,
                )
                if self._streaming:
                    return await self._stream(request.method, response)
                async with response:
                    status, content_type, response_headers = _head(response)
                    return Response(status, await self._read(response), content_type, response_headers)
        except aiohttp.ConnectionTimeoutError as error:
            raise ServiceUnavailable(self._name) from error
        except TimeoutError:
            raise _timed_out(self._name) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnavailable(self._name) from error

    async def close(self) -> None:
        """Close the pools."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, stream: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(stream)
        if session is None or session.closed:
            limit = 0 if stream else self._connections
            session = self._sessions[stream] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=_KEEP_ALIVE),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
            )
        return session

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > _RESPONSE_LIMIT:
                raise BadGateway(f"The {self._name} service sent a response that is too large.")
        return b"".join(chunks)

    async def _stream(self, method: str, response: aiohttp.ClientResponse) -> Response:
        status, content_type, headers = _head(response)
        size = response.content_length
        if method == "HEAD":
            response.release()
            return StreamedResponse(status, b"", content_type, headers, size=size)
        if content_type.startswith(EVENT_STREAM):
            return StreamedResponse(status, b"", content_type, headers, chunks=_events(response))
        if (size is not None and size <= _BUFFERED) or content_type == PROBLEM:
            async with response:
                return Response(status, await self._read(response), content_type, headers)
        return StreamedResponse(status, b"", content_type, headers, chunks=self._chunks(response), size=size)

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        left = _STREAM_TIMEOUT
        try:
            while True:
                asked = time.monotonic()
                with TimeLimit(left):
                    chunk = await response.content.readany()
                left -= time.monotonic() - asked
                if not chunk:
                    return
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(self._name) from error
        finally:
            response.close()


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Return the bytes of an event stream. One that breaks has ended: its client opens another."""
    try:
        while True:
            with TimeLimit(_MAX_SILENCE):
                chunk = await response.content.readany()
            if not chunk:
                return
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError):
        return
    finally:
        response.close()


def _head(response: aiohttp.ClientResponse) -> tuple[int, str, list[tuple[str, str]]]:
    headers = [(name.lower(), value) for name, value in response.headers.items()]
    return response.status, response.headers.get("content-type", ""), headers


def _timed_out(name: str) -> DeadlinePassed:
    return DeadlinePassed(f"The {name} service did not respond in time. Try again.", retry_after=1)
