"""POST /admin/api/read-notification/{notification_id}: mark a notification as read, for all admins."""

from uuid import UUID

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import NotificationNotFound
from nextbuy.contracts.values import Notification
from nextbuy.kit.http.caller import Caller


class ReadNotification(Struct, frozen=True):
    """The id of a notification."""

    notification_id: UUID


async def read_notification(deps: Deps, caller: Caller, request: ReadNotification) -> Notification:
    """Mark a notification as read, for all admins.

    Raises:
        NotificationNotFound: it does not exist.
    """
    await deps.auth.validate_admin(caller.token)
    notification = await store.mark_read(deps.database, request.notification_id)
    if notification is None:
        raise NotificationNotFound
    return notification
