"""POST /order/api/stuck/{id}/retry: try a stuck checkout, refund or stock release at once."""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck, StuckRef
from nextbuy.order.deps import Deps
from nextbuy.order.store.stuck import STUCK


async def retry_stuck(deps: Deps, caller: Caller, request: StuckRef) -> Stuck:
    """Make a stuck checkout, refund or stock release due now.

    Raises:
        NotFound: no stuck work has this id (`stuck-not-found`).
    """
    admin = await deps.auth.validate_user(caller)
    async with deps.database.transaction() as tx:
        work = await STUCK.retry(tx, str(admin.id), request.id)
        await caller.store_response(tx, work)
    return work
