"""The best sellers, cached in this process for some seconds, because every visit to the home page requests them."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from nextbuy.analytics.aggregates import BestSeller
from nextbuy.analytics.store.aggregates import best_sellers
from nextbuy.kit.clock import utc_now
from nextbuy.kit.storage.database import Database

MAX_ITEMS: Final = 50
PERIOD_DAYS: Final = 30
"""Days whose sales count, including today."""
_MAX_AGE: Final = 3.0
"""Seconds. Short enough that no visitor notices, long enough that thousands of visits share one read."""


class BestSellersCache:
    """A cache of the best sellers that reads the database once per `_MAX_AGE`."""

    def __init__(self) -> None:
        """Create an empty cache, which reads at the first request."""
        self._read_at = float("-inf")
        self._items: list[BestSeller] = []
        self._lock = asyncio.Lock()

    async def items(self, database: Database) -> list[BestSeller]:
        """Return the best sellers, the best first."""
        async with self._lock:
            if time.monotonic() >= self._read_at + _MAX_AGE:
                began = time.monotonic()
                since = utc_now().date() - timedelta(days=PERIOD_DAYS - 1)
                self._items, self._read_at = await best_sellers(database, since, limit=MAX_ITEMS), began
            return self._items
