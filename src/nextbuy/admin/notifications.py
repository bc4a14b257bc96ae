"""GET /admin/api/notifications: what the admins should know, newest first."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.values import Notification, Page, PageAsk
from nextbuy.kit.web import Caller


async def notifications(admin: Deps, caller: Caller, ask: PageAsk) -> Page[Notification]:
    """Return a page of notifications."""
    await admin.auth.validate_admin(caller.token)
    return await store.notifications(admin.database, limit=ask.limit, cursor=cursor_or_none(ask.cursor))
