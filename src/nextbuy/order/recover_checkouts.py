"""A job: complete checkouts that a crash or an unavailable service interrupted."""

import logging
from typing import Final

from nextbuy.contracts.errors import AppError
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.order.checkout_completion import complete_checkout
from nextbuy.order.claimed_work import gather_logged
from nextbuy.order.deps import Deps
from nextbuy.order.model import Session
from nextbuy.order.store import sessions

log: Final = logging.getLogger(__name__)
_BATCH: Final = 20


async def recover_checkouts(deps: Deps) -> bool:
    """Complete a batch of checkouts; return true if there may be more."""
    claimed = await sessions.claim_paid_sessions(deps.database, _BATCH)
    await gather_logged([_complete(deps, session) for session in claimed])
    return len(claimed) == _BATCH


async def _complete(deps: Deps, session: Session) -> None:
    with use_span(start_span(session.traceparent, session.correlation_id)):
        try:
            await complete_checkout(deps, session)
        except AppError as error:
            log.info(
                "checkout not completed; retry scheduled", extra={"session_id": str(session.id), "slug": error.slug}
            )
