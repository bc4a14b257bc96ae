"""What the payment simulator is asked: the part of a payment provider's interface that the shop needs."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call
from nextbuy.contracts.values import Money, Timestamp


class PaymentOpened(Struct, frozen=True):
    """A payment that a person can make at `url` (absolute, as the outside sees the gateway)."""

    payment_id: str
    url: str


class OpenPayment(Call[PaymentOpened], to="simulator", name="open-payment", callers=("order",), idempotent=True):
    """Make a payment page; the same reference again gives the same payment.

    `reference` comes back in the webhook as `client_reference_id`; `return_url` is where the page leads afterwards.
    """

    reference: UUID
    amount: Money
    description: str
    expires_at: Timestamp
    return_url: str = ""


class PaymentReturned(Struct, frozen=True):
    """A refund, made now or earlier."""

    refund_id: str


class RefundPayment(Call[PaymentReturned], to="simulator", name="refund-payment", callers=("order",), idempotent=True):
    """Give a payment's money back, whole; the same payment again gives the same refund."""

    payment_id: str
    reason: str
