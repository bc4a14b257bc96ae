"""Events that the admins should know of become notifications.

`CreateNotification` is kept once per event and kind by admin itself, so a second delivery tells nobody twice.
"""

from nextbuy.contracts.message import Envelope, Event
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.drafts import admin_notice


async def notify_admins(deps: Deps, event: Event, envelope: Envelope) -> None:
    """Tell the admins of an event."""
    note = admin_notice(event, envelope.id)
    if note is not None:
        await deps.admin.create_notification(note)
