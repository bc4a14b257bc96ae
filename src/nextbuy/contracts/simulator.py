"""The payment simulator's calls: the part of a payment provider's API that the marketplace uses."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.message import Call
from nextbuy.contracts.values import Money, RequiredProviderId, Timestamp

Url = Annotated[str, Meta(max_length=5_000, examples=["http://127.0.0.1:8080/simulator/api/pay/pay_1"])]


class PaymentOpened(Struct, frozen=True):
    """A payment, and the absolute public URL of the page on which it can be made."""

    payment_id: RequiredProviderId
    url: Annotated[Url, Meta(min_length=1)]
    reference: UUID


class OpenPayment(Call[PaymentOpened], to="simulator", name="open-payment", callers=("order",), idempotent=True):
    """Open a payment page; the same reference returns the same payment.

    `reference` is the webhook's `client_reference_id`; `return_url` is the link back to the marketplace.
    """

    reference: UUID
    amount: Money
    description: Annotated[str, Meta(max_length=1_000)]
    expires_at: Timestamp
    return_url: Url = ""


class PaymentClosed(Struct, frozen=True):
    """A payment whose page is closed, and whether it was paid before."""

    payment_id: RequiredProviderId
    paid: bool


class ClosePayment(Call[PaymentClosed], to="simulator", name="close-payment", callers=("order",), idempotent=True):
    """Close the page of a payment, so that it cannot be paid any longer; if it was paid before, it stays paid."""

    payment_id: RequiredProviderId


class Refund(Struct, frozen=True):
    """A refund, new or existing."""

    refund_id: RequiredProviderId
    payment_id: RequiredProviderId


class RefundPayment(Call[Refund], to="simulator", name="refund-payment", callers=("order",), idempotent=True):
    """Refund a payment in full; the same payment returns the same refund."""

    payment_id: RequiredProviderId
    reason: Annotated[str, Meta(max_length=1_000)]
