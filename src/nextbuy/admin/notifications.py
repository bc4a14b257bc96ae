"""GET /admin/api/notifications: the notifications that all admins share, newest first."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.contracts.values import Notification, Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def notifications(deps: Deps, caller: Caller, request: PageRequest) -> Page[Notification]:
    """List the notifications of admins, newest first, with the caller's own read marks."""
    admin = await deps.auth.validate_admin(caller)
    return await store.list_notifications(deps.database, admin.id, limit=request.limit, cursor=request.start)
