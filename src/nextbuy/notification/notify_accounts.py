"""Subscription: notify the buyer and the seller that an event concerns, about important events by e-mail too."""

from collections.abc import Sequence

from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.storage.database import Transaction
from nextbuy.notification.deps import Deps
from nextbuy.notification.drafts import account_notifications
from nextbuy.notification.mail_text import email_for
from nextbuy.notification.store.notifications import NewNotification, insert_notifications


async def notify_accounts(deps: Deps, tx: Transaction, events: Sequence[InboundEvent]) -> None:
    """Store the notifications and mails of a batch of events."""
    new = [
        NewNotification(event, draft, email_for(draft, deps.public_url, deps.marketplace) if draft.by_email else None)
        for event in events
        for draft in account_notifications(event.event)
    ]
    if new:
        await insert_notifications(tx, new, mails_are_sent=deps.mailer.sends)
