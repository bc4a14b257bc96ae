"""Subscription: store what operators did in all services, for the audit."""

from collections.abc import Sequence

from nextbuy.admin.acts_store import insert_acts
from nextbuy.admin.deps import Deps
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction


async def store_operator_acts(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store a batch of acts, each once."""
    await insert_acts(tx, events)
