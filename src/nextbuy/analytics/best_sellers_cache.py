"""The best sellers, cached in this process and in the shared cache, because each visit to the home page shows them."""

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import Final

import msgspec

from nextbuy.analytics.aggregates import BestSeller
from nextbuy.analytics.store.aggregates import best_sellers
from nextbuy.kit.clock import utc_now
from nextbuy.kit.storage.cache import CachedValue, SharedCache
from nextbuy.kit.storage.database import Database

MAX_ITEMS: Final = 50
PERIOD_DAYS: Final = 30
"""Days whose sales count, including today."""
_MAX_AGE: Final = 30.0
"""Seconds. A sum over thirty days changes slowly, and a million sales take the database a second."""
_decode: Final = msgspec.json.Decoder(list[BestSeller]).decode


class BestSellersCache:
    """A cache of the best sellers: all copies together read the database once per `_MAX_AGE`."""

    def __init__(self, shared: SharedCache) -> None:
        """Create an empty cache, which loads at the first request."""
        self._shared = shared
        self._expires_at = float("-inf")
        self._items: list[BestSeller] = []
        self._lock = asyncio.Lock()

    async def items(self, database: Database) -> list[BestSeller]:
        """Return the best sellers, the best first."""
        async with self._lock:
            if time.monotonic() >= self._expires_at:
                value = await self._shared.load("best-sellers", b"", limit=_MAX_AGE, compute=partial(_read, database))
                self._items, self._expires_at = _decode(value.body), value.as_of + _MAX_AGE
            return self._items


async def _read(database: Database) -> CachedValue:
    began = time.monotonic()
    since = utc_now().date() - timedelta(days=PERIOD_DAYS - 1)
    return CachedValue(msgspec.json.encode(await best_sellers(database, since, limit=MAX_ITEMS)), began)
