"""OpenPayment: create a payment with a page on which a buyer can make it; once per reference."""

import secrets

from nextbuy.contracts.simulator import OpenPayment, PaymentOpened
from nextbuy.kit.observability import telemetry
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps


async def open_payment(deps: Deps, call: OpenPayment) -> PaymentOpened:
    """Create a payment with an unguessable id, or return the existing one of the reference."""
    payment_id = f"pay_{secrets.token_hex(16)}"
    payment_id = await store.open_payment(deps.database, payment_id, call, telemetry.current_span())
    return PaymentOpened(payment_id, f"{deps.settings.public_url}/simulator/api/pay/{payment_id}", call.reference)
