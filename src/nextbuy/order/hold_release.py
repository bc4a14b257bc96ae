"""Release the stock of an unpaid session, for the webhook and for the job; repeating it changes nothing."""

import logging
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.order.claimed_work import log_retry, retry_delay
from nextbuy.order.deps import Deps
from nextbuy.order.model import Session
from nextbuy.order.state_changes import record_release
from nextbuy.order.store import sessions
from nextbuy.order.store.sessions import CLAIM_CALL_TIMEOUT

log: Final = logging.getLogger(__name__)


async def release_hold(deps: Deps, session: Session) -> None:
    """Release the stock that a claimed session holds; after a failure, schedule a retry."""
    set_deadline(time_left(CLAIM_CALL_TIMEOUT))
    ids = {"session_id": str(session.id)}
    try:
        outcome = (await deps.product.release_stock(session.id)).outcome
    except AppError as error:
        log_retry("stock release failed; retry scheduled", error, **ids)
        await sessions.reschedule_release(deps.database, session, retry_delay(session.attempts))
        return
    if outcome == "released":
        async with deps.database.transaction() as tx:
            await record_release(tx, session)
    elif await sessions.holds_claim(deps.database, session):
        # We still hold the claim, so no payment has arrived; yet product says that the stock is sold.
        log.error(
            "stock of an unpaid session is sold; retry scheduled", extra={**ids, "session_status": session.status}
        )
        await sessions.reschedule_release(deps.database, session, retry_delay(session.attempts))
