"""GET /kafka/api/notifications: what the caller was told, newest first, and how much of it is unread."""

from msgspec import UNSET

from nextbuy.contracts.values import PageRequest
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Notifications
from nextbuy.kafka.store.notifications import of_account
from nextbuy.kit.http.caller import Caller


async def notifications(deps: Deps, caller: Caller, request: PageRequest) -> Notifications:
    """Return a page of the caller's notifications, and the number of unread ones."""
    await deps.auth.validate_user(caller.token)
    cursor = None if request.cursor is UNSET else request.cursor
    return await of_account(deps.database, caller.account_id, limit=request.limit, cursor=cursor)
