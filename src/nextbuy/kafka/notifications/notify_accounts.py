"""Event handler: create notifications for the buyer or seller of an event, and mails for the important ones.

They are stored in one transaction with the inbox row of the event, so a repeated event creates nothing.
"""

from collections.abc import Sequence

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.drafts import account_notifications, email_for
from nextbuy.kafka.store.notifications import NewNotification, insert_notifications
from nextbuy.kit.storage.database import Transaction


async def notify_accounts(deps: Deps, tx: Transaction, events: Sequence[tuple[Event, Envelope]]) -> None:
    """Store the notifications and mails of a batch of events."""
    new = [
        NewNotification(envelope, draft, email_for(draft, deps.public_url) if draft.by_email else None)
        for event, envelope in events
        for draft in account_notifications(event)
    ]
    if new:
        await insert_notifications(tx, new)
