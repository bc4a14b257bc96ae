"""Projections: figures that are made of events, live, and can be made again of the event logs while the shop runs.

Each has generations (`0004_projections.sql`). One is read. A rebuild begins another and fills it from the logs, while
all that arrives on the bus is applied to both; then the other one is read. What is applied to a generation is marked in
the inbox under the generation's own name, in the same transaction, so an event that comes both ways counts once.

Why none is missed: an event that is committed when its log is read, after the begin, is read. One that is not arrives
on the bus later, when both generations are known. And a change of generations waits for everyone who applies events, so
nothing is added to one that is being taken out. See docs/adr/0015.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.kafka import figures, store
from nextbuy.kafka.model import figures as daily_figures
from nextbuy.kafka.store import figures as tables
from nextbuy.kafka.store import projections as rows
from nextbuy.kit.events.inbox import record_new
from nextbuy.kit.storage.database import Transaction

Told = Sequence[tuple[Event, Envelope]]
Add = Callable[[Transaction, int, Told], Awaitable[None]]


class Projection(Struct, frozen=True):
    """Figures made of some events: `add` adds what new ones tell to a generation, in its `tables`."""

    name: str
    events: tuple[type[Event], ...]
    tables: tuple[str, ...]
    add: Add

    def handler(self, generation: int) -> str:
        """Return the name under which a generation's events are marked in the inbox."""
        return f"{self.name}/{generation}"

    def topics(self, service: str) -> list[str]:
        """Return what of a service's event log it is made of; events are defined in the contracts of their service."""
        return [event.topic for event in self.events if publisher(event) == service]

    @property
    def services(self) -> list[str]:
        """The services that publish what it is made of."""
        return sorted({publisher(event) for event in self.events})


def publisher(event: type[Event]) -> str:
    """Return the service that publishes an event."""
    return event.__module__.rpartition(".")[2]


async def _add_daily(tx: Transaction, generation: int, told: Told) -> None:
    await store.add_figures(tx, generation, daily_figures(told))


async def _add_product_views(tx: Transaction, generation: int, told: Told) -> None:
    await tables.add_product_hours(tx, generation, figures.product_hours(told))


async def _add_best_sellers(tx: Transaction, generation: int, told: Told) -> None:
    await tables.add_product_days(tx, generation, figures.product_days(told))


async def _add_seller_figures(tx: Transaction, generation: int, told: Told) -> None:
    await tables.add_shops(tx, generation, figures.shops_opened(told))
    await tables.add_shop_days(tx, generation, figures.shop_days(told))


DAILY_FIGURES: Final = Projection("daily-figures", EVENTS, ("daily_figures",), _add_daily)
PRODUCT_VIEWS: Final = Projection(
    "product-views", (ProductViewed, ProductAddedToBasket, OrderCreated), ("product_views",), _add_product_views
)
BEST_SELLERS: Final = Projection("best-sellers", (OrderCreated,), ("best_sellers",), _add_best_sellers)
SELLER_FIGURES: Final = Projection(
    "seller-figures",
    (SellerRegistered, ProductViewed, OrderCreated),
    ("seller_figures", "seller_shops"),
    _add_seller_figures,
)
PROJECTIONS: Final = {one.name: one for one in (DAILY_FIGURES, PRODUCT_VIEWS, BEST_SELLERS, SELLER_FIGURES)}


async def project(tx: Transaction, projection: Projection, told: Told) -> None:
    """Apply events to the generation that is read, and to the one that is being built."""
    for generation in await rows.generations(tx, projection.name):
        await apply(tx, projection, generation, told)


async def apply(tx: Transaction, projection: Projection, generation: int, told: Told) -> int:
    """Apply those events that a generation, which `tx` holds, has not seen, and return how many."""
    new = await record_new(tx, projection.handler(generation), (envelope.id for _, envelope in told))
    fresh = [(event, envelope) for event, envelope in told if envelope.id in new]
    if fresh:
        await projection.add(tx, generation, fresh)
        await rows.count(tx, projection.name, generation, len(fresh))
    return len(fresh)
