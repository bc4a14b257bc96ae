"""POST /notification/api/read-notification/{notification_id}: mark one of the caller's notifications as read."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Notification
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.notifications import mark_read

NotificationNotFound: Final = NotFound.of("notification-not-found", "Notification not found.")


class ReadOwnNotification(Struct, frozen=True):
    """The id of a notification of the caller."""

    notification_id: UUID


async def read_notification(deps: Deps, caller: Caller, request: ReadOwnNotification) -> Notification:
    """Mark one of the caller's notifications as read.

    Raises:
        NotFound: it does not exist, or belongs to another account (`notification-not-found`).
    """
    await deps.auth.validate_user(caller)
    async with deps.database.transaction() as tx:
        notification = await mark_read(tx, request.notification_id, caller.account_id)
        if notification is None:
            raise NotificationNotFound
        await caller.store_response(tx, notification)
    return notification
