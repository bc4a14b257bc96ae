"""Request bodies of clients, limited in size and time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from nextbuy.kit.http.asgi import BODY_TIMEOUT, BodyTimeout, Disconnected, Receive, too_large

_DISCARD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a refused body that are still received before the connection is closed."""
_DISCARD_TIMEOUT: Final = 2.0


async def discard_rest(receive: Receive) -> None:
    """Receive and discard the rest of a refused body, within limits.

    If the connection were closed while the client sends, it would be reset, and most clients would never read the
    response.
    """
    remaining = _DISCARD_LIMIT
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_TIMEOUT):
            while remaining > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                remaining -= len(message.get("body", b""))


class ClientBody:
    """A request body as a stream of at most `limit` bytes, which must arrive within `BODY_TIMEOUT`."""

    def __init__(self, receive: Receive, size: int | None, limit: int) -> None:
        self.size = size
        self.failure: Exception | None = None
        self._receive = receive
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks. An error is also stored as `failure`, because the forwarding HTTP client may wrap it."""
        try:
            received, deadline = 0, time.monotonic() + BODY_TIMEOUT
            more = True
            while more:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await self._receive()
                if message["type"] != "http.request":
                    raise Disconnected
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                received += len(chunk)
                if received > self._limit:
                    raise too_large(self._limit)
                if chunk:
                    yield chunk
        except TimeoutError:
            self.failure = BodyTimeout()
            raise self.failure from None
        except Exception as error:
            self.failure = error
            raise
