"""A request body on its way from a client to a service, within its bounds."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from nextbuy.kit.http.asgi import BODY_SECONDS, Disconnected, Receive, TooSlow, too_large

_MOST_AWAY: Final = 16 * 1024 * 1024
_AWAY_SECONDS: Final = 2.0


async def read_away(receive: Receive) -> None:
    """Throw away what a client still sends of a body that was refused, up to 16 MiB or for 2 s.

    Were its connection closed while it sends, it would be reset, and most clients would never read the answer.
    """
    left = _MOST_AWAY
    with suppress(TimeoutError):
        async with asyncio.timeout(_AWAY_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))


class ClientBody:
    """The pieces of a body as they come in: never more than `limit` bytes, and never for longer than `BODY_SECONDS`."""

    def __init__(self, receive: Receive, size: int | None, limit: int) -> None:
        """Read from `receive`; `size` is what the client announced, None where it did not."""
        self.size = size
        self.failure: Exception | None = None
        self._receive = receive
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the pieces; what ends them too early is also kept as `failure`: a client may wrap what is raised."""
        try:
            read, ends = 0, time.monotonic() + BODY_SECONDS
            more = True
            while more:
                async with asyncio.timeout(ends - time.monotonic()):
                    message = await self._receive()
                if message["type"] != "http.request":
                    raise Disconnected
                piece = message.get("body", b"")
                more = message.get("more_body", False)
                read += len(piece)
                if read > self._limit:
                    raise too_large(self._limit)
                if piece:
                    yield piece
        except TimeoutError:
            self.failure = TooSlow(f"The body did not arrive within {BODY_SECONDS:g} seconds.")
            raise self.failure from None
        except Exception as error:
            self.failure = error
            raise
