"""The best sellers, kept in this process for some seconds: everybody who comes to the shop front asks for them."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from nextbuy.kafka.figures import BestSeller
from nextbuy.kafka.store.figures import best
from nextbuy.kit.clock import utc_now
from nextbuy.kit.storage.database import Database

MOST: Final = 50
DAYS: Final = 30
"""So many days count, today among them."""
_GOOD_FOR: Final = 3.0
"""Seconds."""


class BestSellersCache:
    """Reads at most once in some seconds, for all who ask."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._read = float("-inf")
        self._items: list[BestSeller] = []
        self._lock = asyncio.Lock()

    async def items(self, database: Database) -> list[BestSeller]:
        """Return the best sellers, the best first."""
        async with self._lock:
            if time.monotonic() >= self._read + _GOOD_FOR:
                began = time.monotonic()
                since = utc_now().date() - timedelta(days=DAYS - 1)
                self._items, self._read = await best(database, since, limit=MOST), began
            return self._items
