"""GET /admin/api/unread-notifications: how much of what the admins should know is unread."""

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.kit.web import Caller


class Unread(Struct, frozen=True):
    """How many notifications are unread, counted to a thousand."""

    unread: int


async def unread_notifications(admin: Deps, caller: Caller) -> Unread:
    """Return the number of unread notifications."""
    await admin.auth.validate_admin(caller.token)
    return Unread(await store.unread(admin.database))
