"""A job: complete checkouts that a crash or an unavailable service interrupted."""

import logging
from functools import partial
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.order.checkout_completion import complete_checkout
from nextbuy.order.claimed_work import BATCH, run_claimed
from nextbuy.order.deps import Deps
from nextbuy.order.model import Session
from nextbuy.order.store import sessions

log: Final = logging.getLogger(__name__)


async def recover_checkouts(deps: Deps) -> bool:
    """Complete a batch of checkouts; return true if there may be more."""
    return await run_claimed(await sessions.claim_paid_sessions(deps.database, BATCH), partial(_complete, deps))


async def _complete(deps: Deps, session: Session) -> None:
    if session.attempts > 1:
        cause = "after a failure" if session.failure else "the claim of another process expired"
        deps.journal.step("order", "resume-checkout", f"attempt {session.attempts}, {cause}")
    try:
        await complete_checkout(deps, session)
    except AppError as error:
        log.info("checkout not completed; retry scheduled", extra={"session_id": str(session.id), "slug": error.slug})
