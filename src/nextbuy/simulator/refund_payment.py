"""The shop gives a payment back, whole; the same payment has the same refund.

A payment that was never made is called off: nothing goes back, and it can be made no more. The shop's word is not
doubted, since a provider that knows better would tell it by webhook.
"""

import secrets

from nextbuy.contracts.simulator import Refund, RefundPayment
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import known_id, no_such_payment, told


async def refund_payment(deps: Deps, call: RefundPayment) -> Refund:
    """Give it back.

    Raises:
        NotFound: there is no such payment.
    """
    refund_id, event_id = f"re_{secrets.token_hex(12)}", f"evt_{secrets.token_hex(12)}"
    async with deps.database.transaction() as tx:
        payment = await store.lock_payment(tx, known_id(call.payment_id))
        if payment is None:
            raise no_such_payment()
        if payment.refund_id is not None:
            return Refund(payment.refund_id)
        await store.mark_refunded(tx, payment.id, refund_id, call.reason)
        if payment.status == "paid":
            message = told(payment, "refunded", event_id=event_id, at=deps.clock())
            await store.insert_deliveries(tx, [(payment, message)])
    deps.courier.wake()
    return Refund(refund_id)
