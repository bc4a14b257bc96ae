"""Subscription: index ids, numbers and titles of orders, payments, products and shops, for the search of operators."""

from collections.abc import Sequence

from nextbuy.admin.deps import Deps
from nextbuy.admin.search_index import entries_of
from nextbuy.admin.search_store import store_entries
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction


async def update_search_index(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store what a batch of events says about their orders, payments, products and shops."""
    await store_entries(tx, entries_of(events))
