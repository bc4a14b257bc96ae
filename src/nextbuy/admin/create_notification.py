"""Call CreateNotification: store a notification for all admins, once per event and kind."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.contracts.admin import CreateNotification, NotificationCreated


async def create_notification(deps: Deps, call: CreateNotification) -> NotificationCreated:
    """Store a notification and return its id; for a known event and kind, return the stored id."""
    return NotificationCreated(await store.insert_notification(deps.database, call))
