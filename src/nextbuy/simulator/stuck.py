"""GET /simulator/api/stuck: webhooks that have failed for more than ten minutes."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.store import STUCK


async def stuck(deps: Deps, caller: Caller, request: PageRequest) -> Page[Stuck]:
    """List webhooks that have failed for more than ten minutes, oldest first."""
    await deps.auth.validate_admin(caller)
    return await STUCK.page(deps.database, request)
