"""POST /admin/api/read-all-notifications: mark all notifications as read, for the caller."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.contracts.values import AllRead
from nextbuy.kit.http.caller import Caller


async def read_all_notifications(deps: Deps, caller: Caller) -> AllRead:
    """Mark all notifications as read by the caller."""
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        reply = AllRead(await store.mark_all_read(tx, admin.id))
        await caller.store_response(tx, reply)
    return reply
