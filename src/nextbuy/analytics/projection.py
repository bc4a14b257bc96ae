"""Projections: tables of sums over events, updated live and rebuilt from the event logs without downtime.

A generation is a complete set of a projection's rows; readers use the current one. A rebuild starts a new generation
and fills it from the logs, while events from the bus are applied to both; then the new one becomes the current one.
Each generation has a name of its own in the inbox, so an event that arrives from log and bus counts once.

No event is missed: an event that is committed when its log is read is in the log, and a later one arrives on the bus
and is applied to both generations. Starting and switching generations waits for consumers in the middle of a batch, so
no event is added to a generation that is being deleted. See docs/adr/0015.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from nextbuy.analytics import aggregates
from nextbuy.analytics.aggregates import Events
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.store import projections as store
from nextbuy.analytics.store.aggregates import add_counted_rows, add_rows
from nextbuy.contracts.message import Event
from nextbuy.contracts.operator import OPERATOR_EVENTS
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.kit.events.inbox import record_new
from nextbuy.kit.service import Inbox, Subscription
from nextbuy.kit.storage.database import Transaction


class Projection(Struct, frozen=True):
    """A projection: the events that it is built from, and its tables with the function that sums events for each."""

    name: str
    events: tuple[type[Event], ...]
    tables: Mapping[str, Callable[[Events], Sequence[Struct]]]

    def inbox_name(self, generation: int) -> str:
        """Return the name of a generation in the inbox."""
        return f"{self.name}/{generation}"

    def topics(self, service: str) -> list[str]:
        """Return the topics that it reads from a service's event log."""
        return [event.topic for event in self.events if publisher_of(event) == service]

    @property
    def services(self) -> list[str]:
        """The services that publish its events."""
        return sorted({publisher_of(event) for event in self.events})


def publisher_of(event: type[Event]) -> str:
    """Return the service that publishes an event: its contracts define the event."""
    return event.__module__.rpartition(".")[2]


_COUNTED: Final = tuple(event for event in EVENTS if event not in OPERATOR_EVENTS)
"""The events of the marketplace, without the acts of operators."""
DAILY_FIGURES: Final = Projection("daily-figures", _COUNTED, {"daily_figures": aggregates.topic_days})
PRODUCT_VIEWS: Final = Projection(
    "product-views",
    (ProductViewed, ProductAddedToBasket, OrderCreated),
    {"product_views": aggregates.product_hours},
)
BEST_SELLERS: Final = Projection("best-sellers", (OrderCreated,), {"best_sellers": aggregates.product_days})
SELLER_FIGURES: Final = Projection(
    "seller-figures",
    (SellerRegistered, ProductViewed, OrderCreated),
    {"seller_shops": aggregates.shop_owners, "seller_figures": aggregates.shop_days},
)
PROJECTIONS: Final = {each.name: each for each in (DAILY_FIGURES, PRODUCT_VIEWS, BEST_SELLERS, SELLER_FIGURES)}


def project(name: str, projection: Projection) -> Subscription:
    """Declare a subscription that applies events to each generation of a projection, with an inbox of its own."""

    async def inboxes(tx: Transaction) -> list[Inbox]:
        generations = await store.lock_generations(tx, projection.name)
        return [Inbox(projection.inbox_name(number), partial(_add, projection, number)) for number in generations]

    async def add(_deps: Deps, _tx: Transaction, _events: Events) -> None:
        raise NotImplementedError(f"{name} applies events in the inboxes of its generations")

    return Subscription(name, projection.events, add, from_start=False, inboxes=inboxes)


async def _add(projection: Projection, generation: int, _deps: object, tx: Transaction, events: Events) -> None:
    """Add new events to a generation; `tx` holds the lock of the projection's generations."""
    *first, (last, rows_of_last) = projection.tables.items()
    for table, rows_of in first:
        await add_rows(tx, table, generation, rows_of(events))
    rows = rows_of_last(events)
    await add_counted_rows(tx, last, generation, rows, name=projection.name, events=len(events))


async def apply(tx: Transaction, projection: Projection, generation: int, events: Events) -> None:
    """Apply the logged events that a generation lacks; `tx` holds the lock of the projection's generations."""
    new_ids = await record_new(tx, projection.inbox_name(generation), [event.id for event in events])
    new_events = [event for event in events if event.id in new_ids]
    if new_events:
        await _add(projection, generation, None, tx, new_events)
