"""POST /simulator/api/stuck/{id}/give-up: stop sending a stuck webhook."""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import GiveUp, Stuck
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.store import STUCK, give_up_webhook


async def give_up_stuck(deps: Deps, caller: Caller, request: GiveUp) -> Stuck:
    """Stop sending a stuck webhook; the marketplace then never learns the outcome of its payment.

    Raises:
        NotFound: no stuck webhook has this id (`stuck-not-found`).
        Conflict: it is being sent right now (`stuck-in-progress`).
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        work = await STUCK.give_up(tx, str(admin.id), request)
        await give_up_webhook(tx, work.id, request.reason)
        await caller.store_response(tx, work)
    return work
