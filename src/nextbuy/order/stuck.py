"""GET /order/api/stuck: paid checkouts, refunds and stock releases that have failed for more than ten minutes."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck
from nextbuy.order.deps import Deps
from nextbuy.order.store.stuck import STUCK


async def stuck(deps: Deps, caller: Caller, request: PageRequest) -> Page[Stuck]:
    """List paid checkouts, refunds and stock releases that have failed for more than ten minutes, oldest first."""
    await deps.auth.validate_user(caller)
    return await STUCK.page(deps.database, request)
