"""A cache of the views and sales of products in this process, at most `MAX_AGE` old."""

import time
from typing import Final
from uuid import UUID

from nextbuy.kit.storage.database import Database
from nextbuy.product.store.activity import Counters, get_counters

MAX_AGE: Final = 2.0
"""Seconds for which counters are served without a new read."""
_MAX_ENTRIES: Final = 10_000


class CountersCache:
    """A cache of at most `_MAX_ENTRIES` counters; the oldest are evicted first."""

    def __init__(self) -> None:
        self._entries: dict[UUID, tuple[float, Counters | None]] = {}

    async def get(self, product_id: UUID, database: Database) -> Counters | None:
        """Return a product's counters, or None if the product is not for sale."""
        expires_at, cached = self._entries.get(product_id, (0.0, None))
        now = time.monotonic()
        if now < expires_at:
            return cached
        counters = await get_counters(database, product_id)
        self._entries.pop(product_id, None)
        self._entries[product_id] = (now + MAX_AGE, counters)
        while len(self._entries) > _MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return counters
