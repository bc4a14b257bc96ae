"""GET /kafka/api/stuck: services that have accepted no events for more than ten minutes."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kafka.delivery.outages import STUCK
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck


async def stuck(deps: Deps, caller: Caller, request: PageRequest) -> Page[Stuck]:
    """List the services that have accepted no events for more than ten minutes, oldest first."""
    await deps.auth.validate_admin(caller)
    return await STUCK.page(deps.database, request)
