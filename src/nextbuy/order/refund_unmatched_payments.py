"""A job: refund the payments that match no open checkout, each claimed by one copy of the service."""

from functools import partial

from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.error_text import describe
from nextbuy.order.claimed_work import BATCH, log_retry, retry_delay, run_claimed
from nextbuy.order.deps import Deps
from nextbuy.order.state_changes import record_unmatched_refund
from nextbuy.order.store import unmatched_payments
from nextbuy.order.store.sessions import CLAIM_CALL_TIMEOUT
from nextbuy.order.store.unmatched_payments import UnmatchedPayment


async def refund_unmatched_payments(deps: Deps) -> bool:
    """Refund a batch of unmatched payments; return true if there may be more."""
    return await run_claimed(await unmatched_payments.claim(deps.database, BATCH), partial(_refund, deps))


async def _refund(deps: Deps, payment: UnmatchedPayment) -> None:
    set_deadline(CLAIM_CALL_TIMEOUT)
    try:
        refund_id = await deps.payments.refund(payment.payment_id, payment.reason)
    except Exception as error:  # noqa: BLE001  whatever failed, the refund is still due
        log_retry("refund failed; retry scheduled", error, payment_id=payment.payment_id)
        await unmatched_payments.reschedule(deps.database, payment, retry_delay(payment.attempts), describe(error))
        return
    async with deps.database.transaction() as tx:
        refunded = await record_unmatched_refund(tx, payment, refund_id)
    if refunded:
        deps.journal.step("order", "refund", "refunded")
