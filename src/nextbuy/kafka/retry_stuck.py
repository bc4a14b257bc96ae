"""POST /kafka/api/stuck/{id}/retry: confirm that delivery to a service that accepts no events continues."""

from nextbuy.kafka.delivery.outages import STUCK
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck, StuckRef


async def retry_stuck(deps: Deps, caller: Caller, request: StuckRef) -> Stuck:
    """Confirm that delivery continues; it is tried every second, with or without this request.

    Raises:
        NotFound: the service accepts events, or does not exist (`stuck-not-found`).
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        work = await STUCK.retry(tx, str(admin.id), request.id)
        await caller.store_response(tx, work)
    return work
