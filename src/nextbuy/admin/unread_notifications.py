"""GET /admin/api/unread-notifications: the number of notifications that the caller has not read."""

from msgspec import Struct

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.kit.http.caller import Caller


class Unread(Struct, frozen=True):
    """The number of unread notifications, at most 1,000."""

    unread: int


async def unread_notifications(deps: Deps, caller: Caller) -> Unread:
    """Count the notifications that the caller has not read; new products do not count."""
    admin = await deps.auth.validate_admin(caller)
    return Unread(await store.count_unread(deps.database, admin.id))
