"""GET /kafka/api/notifications: what the caller was told, newest first, and how much of it is unread."""

from msgspec import UNSET

from nextbuy.contracts.values import PageAsk
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.model import Notifications
from nextbuy.kafka.store.notifications import of_account
from nextbuy.kit.web import Caller


async def notifications(kafka: Deps, caller: Caller, ask: PageAsk) -> Notifications:
    """Return a page of the caller's notifications, and the number of unread ones."""
    await kafka.auth.validate_user(caller.token)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await of_account(kafka.database, caller.account_id, limit=ask.limit, cursor=cursor)
