"""What a session held is given back: what the webhook and the sweeper share. Doing it twice changes nothing."""

import logging
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.order.complete_checkout import pause_after
from nextbuy.order.deps import Deps
from nextbuy.order.store import sessions
from nextbuy.order.store.sessions import WORK_LIMIT, Claim

log: Final = logging.getLogger(__name__)


async def release_hold(deps: Deps, claim: Claim) -> None:
    """Give back the units of a session that was not paid; where that fails for now, another try is due by itself."""
    session = claim.session
    set_deadline(time_left(WORK_LIMIT))
    try:
        outcome = (await deps.product.release_stock(session.id)).outcome
    except AppError as error:
        if not error.transient:
            log.error("the units of session %s cannot be given back: %s: %s", session.id, error.slug, error)  # noqa: TRY400
        await sessions.postpone_release(deps.database, claim, pause_after(claim.tries))
        return
    if outcome == "released":
        await sessions.released(deps.database, claim)
    elif await sessions.is_due(deps.database, claim):
        # Sold, and not because the money came meanwhile: that would have ended the claim.
        log.error("the units of session %s are sold, but it is %s", session.id, session.status)
        await sessions.postpone_release(deps.database, claim, pause_after(claim.tries))
