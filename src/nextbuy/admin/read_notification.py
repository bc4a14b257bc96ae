"""POST /admin/api/read-notification/{notification_id}: an admin has seen it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NoSuchNotification
from nextbuy.contracts.values import Notification
from nextbuy.kit.web import Caller


class ReadNotification(Struct, frozen=True):
    """Which notification."""

    notification_id: UUID


async def read_notification(admin: Deps, caller: Caller, ask: ReadNotification) -> Notification:
    """Mark a notification as read; `NoSuchNotification` where there is none."""
    await admin.auth.validate_admin(caller.token)
    found = await store.mark_read(admin.database, ask.notification_id)
    if found is None:
        raise NoSuchNotification("There is no such notification.")
    return found
