"""The payment simulator's calls: the part of a payment provider's API that the marketplace uses."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call
from nextbuy.contracts.values import Money, ProviderId, Timestamp


class PaymentOpened(Struct, frozen=True):
    """A payment, and the absolute public URL of the page on which it can be made."""

    payment_id: ProviderId
    url: str


class OpenPayment(Call[PaymentOpened], to="simulator", name="open-payment", callers=("order",), idempotent=True):
    """Open a payment page; the same reference returns the same payment.

    `reference` is the webhook's `client_reference_id`; `return_url` is the link back to the marketplace.
    """

    reference: UUID
    amount: Money
    description: str
    expires_at: Timestamp
    return_url: str = ""


class Refund(Struct, frozen=True):
    """A refund, new or existing."""

    refund_id: ProviderId


class RefundPayment(Call[Refund], to="simulator", name="refund-payment", callers=("order",), idempotent=True):
    """Refund a payment in full; the same payment returns the same refund."""

    payment_id: str
    reason: str
