"""GET /kafka/api/notifications: the caller's notifications, newest first, and the number of unread ones."""

from nextbuy.contracts.values import PageRequest
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import NotificationPage
from nextbuy.kafka.store.notifications import list_notifications
from nextbuy.kit.http.caller import Caller


async def notifications(deps: Deps, caller: Caller, request: PageRequest) -> NotificationPage:
    """List the caller's notifications and count the unread ones."""
    await deps.auth.validate_user(caller.token)
    return await list_notifications(deps.database, caller.account_id, limit=request.limit, cursor=request.start)
