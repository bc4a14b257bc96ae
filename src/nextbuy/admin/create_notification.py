"""Subscription `create-notification`: tell admins what needs their decision, and what was sold and refunded."""

from collections.abc import Sequence

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.drafts import draft_of
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction


async def create_notification(_deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store the notifications of a batch of events; not every event has one."""
    await store.insert_notifications(tx, [draft for event in events if (draft := draft_of(event))])
