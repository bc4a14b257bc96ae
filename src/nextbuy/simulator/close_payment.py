"""ClosePayment: close the page of a payment, so that it cannot be paid any longer."""

from nextbuy.contracts.simulator import ClosePayment, PaymentClosed
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps
from nextbuy.simulator.model import PaymentNotFound, parse_payment_id


async def close_payment(deps: Deps, call: ClosePayment) -> PaymentClosed:
    """Cancel an open payment, and return whether it was paid before; no webhook reports a cancellation.

    Raises:
        NotFound: the payment does not exist (`payment-not-found`).
    """
    status = await store.close(deps.database, parse_payment_id(call.payment_id))
    if status is None:
        raise PaymentNotFound
    return PaymentClosed(call.payment_id, paid=status == "paid")
