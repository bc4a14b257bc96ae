"""GET /notification/api/notifications: the caller's notifications, newest first, and the number of unread ones."""

from nextbuy.contracts.values import PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.notification.deps import Deps
from nextbuy.notification.model import NotificationPage
from nextbuy.notification.store.notifications import list_notifications


async def notifications(deps: Deps, caller: Caller, request: PageRequest) -> NotificationPage:
    """List the caller's notifications and count the unread ones."""
    await deps.auth.validate_user(caller)
    return await list_notifications(deps.database, caller.account_id, limit=request.limit, cursor=request.start)
