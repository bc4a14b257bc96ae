"""Subscription: keep one notification per shop and day (UTC) that counts the new products of the shop."""

from collections.abc import Sequence
from datetime import UTC, date
from uuid import UUID

from msgspec.structs import replace

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
            title, link = f"New products of {event.shop_name}", f"/product/{event.product_id}"
            new = NewProducts(*key, 1, title, inbound.id, at, inbound.position, link)
            counted = sums.get(key)
            latest = new if counted is None or (counted.occurred_at, counted.position) < (at, new.position) else counted
            sums[key] = replace(latest, products=counted.products + 1 if counted else 1)
    await count_products(tx, list(sums.values()))
