"""Call CreateNotification: the admins are told of something, once per event and kind."""

from nextbuy.admin import store
from nextbuy.admin.deps import Deps
from nextbuy.contracts.admin import CreateNotification, NotificationKept


async def create_notification(deps: Deps, call: CreateNotification) -> NotificationKept:
    """Keep a notification; asked again for the same event and kind, return the one that there is."""
    return NotificationKept(await store.keep_notification(deps.database, call))
