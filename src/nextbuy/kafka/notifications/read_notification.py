"""POST /kafka/api/read-notification/{notification_id}: the caller has seen it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Notification
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store.notifications import mark_read
from nextbuy.kit.http.caller import Caller


class ReadOwnNotification(Struct, frozen=True):
    """Which notification."""

    notification_id: UUID


async def read_notification(deps: Deps, caller: Caller, request: ReadOwnNotification) -> Notification:
    """Mark a notification as read; `NotFound` where it is not there, or not the caller's."""
    await deps.auth.validate_user(caller.token)
    async with deps.database.transaction() as tx:
        found = await mark_read(tx, request.notification_id, caller.account_id)
        if found is None:
            raise NotFound("You have no such notification.", slug="no-such-notification")
        await caller.store_response(tx, found)
    return found
