"""Subscription `count-new-products`: one notification per shop and day that counts its new products."""

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
            one = NewProducts(*key, 1, inbound.id, at, inbound.position, f"/product/{event.product_id}")
            known = sums.get(key)
            latest = one if known is None or (known.occurred_at, known.position) < (at, one.position) else known
            sums[key] = replace(latest, products=known.products + 1 if known else 1)
    await count_products(tx, list(sums.values()))
