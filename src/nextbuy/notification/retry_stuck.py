"""POST /notification/api/stuck/{id}/retry: try to send a stuck mail at once."""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import Stuck, StuckRef
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.mails import STUCK


async def retry_stuck(deps: Deps, caller: Caller, request: StuckRef) -> Stuck:
    """Make a stuck mail due now.

    Raises:
        NotFound: no stuck mail has this id (`stuck-not-found`).
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        work = await STUCK.retry(tx, str(admin.id), request.id)
        await caller.store_response(tx, work)
    return work
