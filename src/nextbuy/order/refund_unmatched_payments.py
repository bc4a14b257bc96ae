"""A job: refund the payments that match no open checkout, each claimed by one copy of the service."""

from typing import Final

from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.error_text import describe
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.order.claimed_work import gather_logged, log_retry, retry_delay
from nextbuy.order.deps import Deps
from nextbuy.order.state_changes import record_unmatched_refund
from nextbuy.order.store import unmatched_payments
from nextbuy.order.store.sessions import CLAIM_CALL_TIMEOUT
from nextbuy.order.store.unmatched_payments import UnmatchedPayment

_BATCH: Final = 20


async def refund_unmatched_payments(deps: Deps) -> bool:
    """Refund a batch of unmatched payments; return true if there may be more."""
    claimed = await unmatched_payments.claim(deps.database, _BATCH)
    await gather_logged([_refund(deps, payment) for payment in claimed])
    return len(claimed) == _BATCH


async def _refund(deps: Deps, payment: UnmatchedPayment) -> None:
    with use_span(start_span(payment.traceparent, payment.correlation_id)):
        set_deadline(CLAIM_CALL_TIMEOUT)
        try:
            refund_id = await deps.payments.refund(payment.payment_id, payment.reason)
        except Exception as error:  # noqa: BLE001  whatever failed, the refund is still due
            log_retry("refund failed; retry scheduled", error, payment_id=payment.payment_id)
            delay = retry_delay(payment.attempts)
            await unmatched_payments.reschedule(deps.database, payment, delay, describe(error))
            return
        async with deps.database.transaction() as tx:
            refunded = await record_unmatched_refund(tx, payment, refund_id)
        if refunded:
            deps.journal.step("order", "refund", "refunded")
