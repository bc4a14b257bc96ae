"""The request bodies of clients, limited in size and time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from nextbuy.kit.http.asgi import BODY_TIMEOUT, BodyTimeout, Disconnected, Receive, too_large

_DISCARD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a refused body that are received."""
_DISCARD_TIMEOUT: Final = 2.0


async def discard_rest(receive: Receive) -> None:
    """Receive and discard the rest of a refused body, within limits.

    If the connection were closed while the client sends, it would be reset, and most clients would never read the
    response.
    """
    left = _DISCARD_LIMIT
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_TIMEOUT):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))


class ClientBody:
    """The body of a client as a stream of at most `limit` bytes, which may take `BODY_TIMEOUT`."""

    def __init__(self, receive: Receive, size: int | None, limit: int) -> None:
        self.size = size
        self.failure: Exception | None = None
        self._receive = receive
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks. An error is also stored as `failure`, because an HTTP client may wrap what is raised."""
        try:
            read, ends = 0, time.monotonic() + BODY_TIMEOUT
            more = True
            while more:
                async with asyncio.timeout(ends - time.monotonic()):
                    message = await self._receive()
                if message["type"] != "http.request":
                    raise Disconnected
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                read += len(chunk)
                if read > self._limit:
                    raise too_large(self._limit)
                if chunk:
                    yield chunk
        except TimeoutError:
            self.failure = BodyTimeout()
            raise self.failure from None
        except Exception as error:
            self.failure = error
            raise
