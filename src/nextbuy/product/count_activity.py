"""Subscription: add views and sales to the counters of products, which lists show and searches rank by."""

from collections.abc import Iterator, Sequence

from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductViewed
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction
from nextbuy.product.deps import Deps
from nextbuy.product.store.activity import Activity, add_activity


async def count_activity(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Add the views and sales of a batch of events, in one statement."""
    await add_activity(tx, [line for event in events for line in _lines(event.event)])


def _lines(event: object) -> Iterator[Activity]:
    match event:
        case ProductViewed():
            yield Activity(event.product_id, viewed=event.views)
        case OrderCreated():
            for line in event.lines:
                yield Activity(line.product_id, sold=line.quantity)
