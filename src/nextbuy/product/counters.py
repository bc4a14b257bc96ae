"""How often products were seen and sold, kept in this process for some seconds."""

import time
from typing import Final
from uuid import UUID

from nextbuy.kit.storage.database import Database
from nextbuy.product.store.activity import Counters, counters

GOOD_FOR: Final = 2.0
"""Seconds."""
_MOST: Final = 10_000


class KnownCounters:
    """The counters of at most 10,000 products, those that were read last."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known: dict[UUID, tuple[float, Counters | None]] = {}

    async def of(self, product_id: UUID, database: Database) -> Counters | None:
        """Return a product's counters, or None where nobody may see it."""
        until, kept = self._known.get(product_id, (0.0, None))
        now = time.monotonic()
        if now < until:
            return kept
        read = await counters(database, product_id)
        self._known.pop(product_id, None)
        self._known[product_id] = (now + GOOD_FOR, read)
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return read
