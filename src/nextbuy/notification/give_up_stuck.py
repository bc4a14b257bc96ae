"""POST /notification/api/stuck/{id}/give-up: stop sending a stuck mail."""

from uuid import UUID

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import GiveUp, Stuck
from nextbuy.notification.deps import Deps
from nextbuy.notification.store.mails import STUCK, give_up_mail


async def give_up_stuck(deps: Deps, caller: Caller, request: GiveUp) -> Stuck:
    """Stop sending a stuck mail; the list of mails shows it as failed, with the reason.

    Raises:
        NotFound: no stuck mail has this id (`stuck-not-found`).
        Conflict: it is being sent right now (`stuck-in-progress`).
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        work = await STUCK.give_up(tx, str(admin.id), request)
        await give_up_mail(tx, UUID(work.id), request.reason)
        await caller.store_response(tx, work)
    return work
