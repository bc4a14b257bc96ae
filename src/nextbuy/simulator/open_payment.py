"""The shop asks for a payment: it gets a page on which a person can make it; the same reference has the same page."""

import secrets

from nextbuy.contracts.simulator import OpenPayment, PaymentOpened
from nextbuy.kit.observability import telemetry
from nextbuy.simulator import store
from nextbuy.simulator.deps import Deps


async def open_payment(deps: Deps, call: OpenPayment) -> PaymentOpened:
    """Make a payment, or return the one that there is; its id cannot be guessed."""
    payment_id = f"pay_{secrets.token_hex(16)}"
    payment_id = await store.open_payment(deps.database, payment_id, call, telemetry.current_span())
    return PaymentOpened(payment_id, f"{deps.settings.public_url}/simulator/api/pay/{payment_id}")
