"""RefundPayment: refund a payment in full, once.

A payment that was not made is cancelled instead: no money moves, and it can no longer be paid. The request of the shop
is not questioned; a provider that knows better would report it by webhook.
"""

import secrets

from nextbuy.contracts.simulator import Refund, RefundPayment
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import PaymentNotFound, parse_payment_id, webhook_for


async def refund_payment(deps: Deps, call: RefundPayment) -> Refund:
    """Refund a payment, or return the refund that it has.

    Raises:
        NotFound: the payment does not exist (`payment-not-found`).
    """
    refund_id = f"re_{secrets.token_hex(12)}"
    async with deps.database.transaction() as tx:
        payment = await store.lock_payment(tx, parse_payment_id(call.payment_id))
        if payment is None:
            raise PaymentNotFound
        if payment.refund_id is not None:
            return Refund(payment.refund_id)
        await store.mark_refunded(tx, payment.id, refund_id, call.reason)
        if payment.status == "paid":
            webhook = webhook_for(payment, "refunded", store.new_event_id(), at=deps.clock())
            await store.insert_webhooks(tx, [(payment, webhook)])
    deps.dispatcher.wake()
    return Refund(refund_id)
