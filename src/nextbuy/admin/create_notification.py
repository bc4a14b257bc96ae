"""Subscription: notify admins of products and shops to decide on, of orders, and of refunds."""

from collections.abc import Sequence

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.drafts import draft_of
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction


async def create_notification(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store the notifications about a batch of events; some events have none."""
    await store.insert_notifications(tx, [draft for event in events if (draft := draft_of(event))])
