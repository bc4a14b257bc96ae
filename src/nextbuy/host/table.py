"""The services there are, and what makes each one's needs. The only file that imports their tables of contents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import nextbuy.admin.deps
import nextbuy.admin.service
import nextbuy.auth.deps
import nextbuy.auth.service
import nextbuy.kafka.deps
import nextbuy.kafka.service
import nextbuy.order.deps
import nextbuy.order.service
import nextbuy.product.deps
import nextbuy.product.service
import nextbuy.seller.deps
import nextbuy.seller.service
import nextbuy.simulator.deps
import nextbuy.simulator.service
from nextbuy.kit.service import Service
from nextbuy.kit.service_context import ServiceContext


@dataclass(frozen=True)
class Entry:
    """One service, and how its needs are put together."""

    service: Service
    assemble: Callable[[ServiceContext], Any]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name


ENTRIES: Final[dict[str, Entry]] = {
    entry.name: entry
    for entry in (
        Entry(nextbuy.auth.service.SERVICE, nextbuy.auth.deps.assemble),
        Entry(nextbuy.seller.service.SERVICE, nextbuy.seller.deps.assemble),
        Entry(nextbuy.product.service.SERVICE, nextbuy.product.deps.assemble),
        Entry(nextbuy.simulator.service.SERVICE, nextbuy.simulator.deps.assemble),
        Entry(nextbuy.order.service.SERVICE, nextbuy.order.deps.assemble),
        Entry(nextbuy.admin.service.SERVICE, nextbuy.admin.deps.assemble),
        Entry(nextbuy.kafka.service.SERVICE, nextbuy.kafka.deps.assemble),
    )
}
"""By name, each after those that it asks while it starts."""

BEHIND: Final = tuple(ENTRIES)
"""What the gateway stands in front of."""
