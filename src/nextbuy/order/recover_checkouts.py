"""A job: complete checkouts that a crash or an unavailable service interrupted, and refund unmatched payments."""

from typing import Final

from nextbuy.order.checkout_completion import refund_unmatched_payment, resume_checkout
from nextbuy.order.concurrency import gather_logged
from nextbuy.order.deps import Deps
from nextbuy.order.store import sessions, unmatched_payments

_BATCH: Final = 20


async def recover_checkouts(deps: Deps) -> bool:
    """Complete a batch of checkouts and refund a batch of unmatched payments; return true if there may be more."""
    claimed = await sessions.claim_paid_sessions(deps.database, _BATCH)
    unmatched = await unmatched_payments.claim(deps.database, _BATCH)
    await gather_logged(
        [resume_checkout(deps, session) for session in claimed]
        + [refund_unmatched_payment(deps, payment) for payment in unmatched]
    )
    return _BATCH in {len(claimed), len(unmatched)}
