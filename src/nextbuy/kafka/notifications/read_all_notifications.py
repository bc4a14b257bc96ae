"""POST /kafka/api/read-all-notifications: mark all of the caller's notifications as read."""

from nextbuy.contracts.values import AllRead
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store.notifications import mark_all_read
from nextbuy.kit.http.caller import Caller


async def read_all_notifications(deps: Deps, caller: Caller) -> AllRead:
    """Mark all of the caller's notifications as read."""
    await deps.auth.validate_user(caller.token)
    async with deps.database.transaction() as tx:
        reply = AllRead(await mark_all_read(tx, caller.account_id))
        await caller.store_response(tx, reply)
    return reply
