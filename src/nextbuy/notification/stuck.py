"""GET /notification/api/stuck: mails that have failed for more than ten minutes."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.mails import STUCK


async def stuck(deps: Deps, caller: Caller, request: PageRequest) -> Page[Stuck]:
    """List mails that have failed for more than ten minutes, oldest first."""
    await deps.auth.validate_admin(caller)
    return await STUCK.page(deps.database, request)
