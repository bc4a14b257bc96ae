"""Refused request bodies: their rest is received, so that the client can read the response."""

import asyncio
from contextlib import suppress
from typing import Final

from nextbuy.kit.http.asgi import Receive

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
