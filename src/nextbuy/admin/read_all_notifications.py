"""POST /admin/api/read-all-notifications: an admin has seen them all."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.contracts.values import AllRead
from nextbuy.kit.web import Caller


async def read_all_notifications(admin: Deps, caller: Caller) -> AllRead:
    """Mark all notifications as read, for all admins."""
    await admin.auth.validate_admin(caller.token)
    async with admin.database.transaction() as tx:
        reply = AllRead(await store.mark_all_read(tx))
        await caller.keep(tx, reply)
    return reply
