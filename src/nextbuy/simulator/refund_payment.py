"""RefundPayment: refund a payment in full, once.

Every request is granted. A payment that was not made is cancelled instead: no money moves, and it can no longer be
paid, so no webhook reports a refund.
"""

import secrets

from nextbuy.contracts.simulator import Refund, RefundPayment
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import PaymentNotFound, parse_payment_id, webhook_for


async def refund_payment(deps: Deps, call: RefundPayment) -> Refund:
    """Refund or cancel a payment, or return its existing refund.

    Raises:
        NotFound: the payment does not exist (`payment-not-found`).
    """
    refund_id = f"re_{secrets.token_hex(12)}"
    async with deps.database.transaction() as tx:
        payment = await store.lock_payment(tx, parse_payment_id(call.payment_id))
        if payment is None:
            raise PaymentNotFound
        if payment.refund_id is not None:
            return Refund(payment.refund_id, payment.id)
        await store.mark_refunded(tx, payment.id, refund_id, call.reason)
        if payment.status == "paid":
            webhook = webhook_for(payment, "refunded", store.new_event_id(), at=deps.clock())
            await store.insert_webhooks(tx, [(payment, webhook)])
    deps.dispatcher.wake()
    return Refund(refund_id, call.payment_id)
