"""Subscription `count-new-products`: one notification per shop and day that counts its new products."""

from collections.abc import Sequence
from datetime import UTC, date
from uuid import UUID

from nextbuy.admin.deps import Deps
from nextbuy.admin.store import NewProducts, count_products
from nextbuy.contracts.product import ProductCreated
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction


async def count_new_products(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Add the new products of a batch of events to the notifications of their shops and days."""
    sums: dict[tuple[UUID, date], NewProducts] = {}
    for inbound in events:
        event, at = inbound.event, inbound.envelope.time.astimezone(UTC)
        if isinstance(event, ProductCreated):
            key = (event.shop_id, at.date())
            products = sums[key].products + 1 if key in sums else 1
            sums[key] = NewProducts(*key, products, inbound.id, at, f"/product/{event.product_id}")
    await count_products(tx, list(sums.values()))
