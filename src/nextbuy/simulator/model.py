"""What a payment can become, which cards there are, and what the shop is told of it, in Stripe's words."""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import Money

Status = Literal["open", "paid", "declined", "expired", "refunded"]
Outcome = Literal["paid", "declined"]

CARDS: Final[Mapping[str, Outcome]] = MappingProxyType({"4242424242424242": "paid", "4000000000000002": "declined"})
"""The test cards that there are, and what comes of each."""
DECLINED: Final = "Your card was declined."
_PAYMENT_ID: Final = re.compile(r"pay_[0-9a-f]{32}")
_GAPS: Final = re.compile(r"[ \t-]")


class Payment(Struct, frozen=True, kw_only=True):
    """A payment that somebody was asked for."""

    id: str
    reference: UUID
    amount: Money
    description: str
    return_url: str
    status: Status
    expires_at: datetime
    traceparent: str
    correlation_id: str
    refund_id: str | None = None

    def status_at(self, now: datetime) -> Status:
        """How it stands at a moment: an open payment is over when its time is."""
        return "expired" if self.status == "open" and self.expires_at <= now else self.status


class Message(Struct, frozen=True):
    """A webhook: its event's id and type, and its body."""

    event_id: str
    type: str
    body: Mapping[str, Any]


def known_id(text: str) -> str:
    """Return a payment's id.

    Raises:
        NotFound: it is not even the form of one.
    """
    if _PAYMENT_ID.fullmatch(text) is None:
        raise no_such_payment()
    return text


def no_such_payment() -> NotFound:
    """Return what is said of a payment that is not there."""
    return NotFound("There is no such payment; begin again in the shop.", slug="no-such-payment")


def outcome_of(card_number: str) -> Outcome:
    """Return what comes of paying with a card.

    Raises:
        Unprocessable: it is none of the test cards (`not-a-test-card`).
    """
    outcome = CARDS.get(_GAPS.sub("", card_number))
    if outcome is None:
        raise Unprocessable("This is not a test card: use 4242 4242 4242 4242.", slug="not-a-test-card")
    return outcome


def final(status: Status) -> Outcome:
    """Return the outcome of a payment that can no longer be paid.

    Raises:
        Conflict: nothing came of it, or it went back (`payment-expired`, `payment-refunded`).
    """
    if status in {"paid", "declined"}:
        return status
    if status == "refunded":
        raise Conflict("This payment was given back; order again in the shop.", slug="payment-refunded")
    raise Conflict("This payment was not made in time; order again in the shop.", slug="payment-expired")


def told(payment: Payment, status: Status, *, event_id: str, at: datetime) -> Message:
    """Return the webhook that tells that a payment has become `status`."""
    currency, reference = payment.amount.currency.lower(), str(payment.reference)
    checkout = {
        "id": payment.id,
        "object": "checkout.session",
        "client_reference_id": reference,
        "amount_total": payment.amount.amount,
        "currency": currency,
        "metadata": {"session_id": reference},
    }
    kinds: dict[Status, tuple[str, dict[str, Any]]] = {
        "paid": ("checkout.session.completed", {**checkout, "status": "complete", "payment_status": "paid"}),
        "expired": ("checkout.session.expired", {**checkout, "status": "expired", "payment_status": "unpaid"}),
        "declined": (
            "payment_intent.payment_failed",
            {
                "id": payment.id,
                "object": "payment_intent",
                "amount": payment.amount.amount,
                "currency": currency,
                "metadata": {"session_id": reference},
                "last_payment_error": {"code": "card_declined", "message": DECLINED},
            },
        ),
        "refunded": (
            "charge.refunded",
            {
                "id": payment.id,
                "object": "charge",
                "amount_refunded": payment.amount.amount,
                "currency": currency,
                "refunded": True,
                "metadata": {"session_id": reference},
            },
        ),
    }
    kind, about = kinds[status]
    body = {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": int(at.timestamp()),
        "livemode": False,
        "data": {"object": about},
    }
    return Message(event_id, kind, body)
