"""GET /admin/api/unread-notifications: how much of what the admins should know is unread."""

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.kit.http.caller import Caller


class Unread(Struct, frozen=True):
    """How many notifications are unread, counted to a thousand."""

    unread: int


async def unread_notifications(deps: Deps, caller: Caller) -> Unread:
    """Return the number of unread notifications."""
    await deps.auth.validate_admin(caller.token)
    return Unread(await store.unread(deps.database))
