"""POST /notification/api/read-all-notifications: mark all of the caller's notifications as read."""

from nextbuy.contracts.values import AllRead
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.notifications import mark_all_read


async def read_all_notifications(deps: Deps, caller: Caller) -> AllRead:
    """Mark all of the caller's notifications as read."""
    await deps.auth.validate_user(caller)
    async with deps.database.transaction() as tx:
        reply = AllRead(await mark_all_read(tx, caller.account_id))
        await caller.store_response(tx, reply)
    return reply
