"""GET /admin/api/notifications: what the admins should know, newest first."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.values import Notification, Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def notifications(deps: Deps, caller: Caller, request: PageRequest) -> Page[Notification]:
    """Return a page of notifications."""
    await deps.auth.validate_admin(caller.token)
    return await store.notifications(deps.database, limit=request.limit, cursor=cursor_or_none(request.cursor))
