"""Event handler: create notifications for admins. Admin stores one per event and kind, so duplicates are harmless."""

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.drafts import admin_notification


async def notify_admins(deps: Deps, event: Event, envelope: Envelope) -> None:
    """Send the notification for an event to admin, if there is one."""
    notification = admin_notification(event, envelope.id)
    if notification is not None:
        await deps.admin.create_notification(notification)
