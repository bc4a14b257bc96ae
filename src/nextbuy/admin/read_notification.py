"""POST /admin/api/read-notification/{notification_id}: an admin has seen it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NoSuchNotification
from nextbuy.contracts.values import Notification
from nextbuy.kit.http.caller import Caller


class ReadNotification(Struct, frozen=True):
    """Which notification."""

    notification_id: UUID


async def read_notification(deps: Deps, caller: Caller, request: ReadNotification) -> Notification:
    """Mark a notification as read; `NoSuchNotification` where there is none."""
    await deps.auth.validate_admin(caller.token)
    found = await store.mark_read(deps.database, request.notification_id)
    if found is None:
        raise NoSuchNotification("There is no such notification.")
    return found
