"""POST /admin/api/read-notification/{notification_id}: mark a notification as read, for the caller."""

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
    """Mark a notification as read by the caller; other admins still see it as unread.

    Raises:
        NotificationNotFound: it does not exist.
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        notification = await store.mark_read(tx, admin.id, request.notification_id)
        if notification is None:
            raise NotificationNotFound
        await caller.store_response(tx, notification)
    return notification
