"""The states of a payment, the test cards, and the webhooks that report an outcome, in Stripe's format."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import Money

Outcome = Literal["paid", "declined"]
Reported = Literal["paid", "declined", "expired", "refunded"]
Status = Literal["open", "paid", "declined", "expired", "cancelled", "refunded"]

CARDS: Final[Mapping[str, Outcome]] = {"4242424242424242": "paid", "4000000000000002": "declined"}
"""The test cards, with the outcome of each."""
_EVENT_TYPES: Final[Mapping[Reported, str]] = {
    "paid": "checkout.session.completed",
    "declined": "payment_intent.payment_failed",
    "expired": "checkout.session.expired",
    "refunded": "charge.refunded",
}
DECLINE_CODE: Final = "card_declined"
_DECLINED: Final = "Your card was declined."
MAX_DECLINES: Final = 20
"""Declined cards after which a payment accepts none."""
_PAYMENT_ID: Final = re.compile(r"pay_[0-9a-f]{32}")
_SEPARATORS: Final = re.compile(r"[ \t-]")


PaymentNotFound: Final = NotFound.of(
    "payment-not-found", "Payment not found. Return to the marketplace and start a new checkout."
)
NotATestCard: Final = Unprocessable.of("not-a-test-card", "This is not a test card. Use 4242 4242 4242 4242.")
AlreadyRefunded: Final = Conflict.of("payment-refunded", "This payment was refunded. Place a new order.")
PaymentExpired: Final = Conflict.of("payment-expired", "This payment has expired. Place a new order.")
TooManyDeclines: Final = Conflict.of(
    "too-many-declines", "Too many cards were declined. Return to the marketplace and start a new checkout."
)
PaymentCancelled: Final = Conflict.of(
    "payment-cancelled", "This checkout was cancelled. Return to the marketplace and start a new one."
)


class Payment(Struct, frozen=True, kw_only=True):
    """A payment that the marketplace has requested from a buyer."""

    id: str
    reference: UUID
    amount: Money
    description: str
    return_url: str
    status: Status
    expires_at: datetime
    traceparent: str
    correlation_id: str
    declines: int = 0
    """The number of its declined cards."""
    refund_id: str | None = None

    def status_at(self, now: datetime) -> Status:
        """Return the status at a time; an open payment may have expired since it was stored."""
        return "expired" if self.status == "open" and self.expires_at <= now else self.status


class Webhook(Struct, frozen=True):
    """A webhook for the marketplace: an event with its body."""

    event_id: str
    type: str
    body: Mapping[str, Any]


def parse_payment_id(text: str) -> str:
    """Return the text if it is a well-formed payment id.

    Raises:
        NotFound: it is malformed (`payment-not-found`).
    """
    if _PAYMENT_ID.fullmatch(text) is None:
        raise PaymentNotFound
    return text


def outcome_of(card_number: str) -> Outcome:
    """Return the outcome of a payment with a card.

    Raises:
        Unprocessable: it is not a test card (`not-a-test-card`).
    """
    outcome = CARDS.get(_SEPARATORS.sub("", card_number))
    if outcome is None:
        raise NotATestCard
    return outcome


def decided_outcome(status: Status) -> Outcome:
    """Return the outcome of a payment that accepts no card any longer.

    Raises:
        Conflict: it has expired, or was cancelled or refunded (`payment-expired`, `payment-cancelled`,
            `payment-refunded`), or too many cards were declined (`too-many-declines`).
    """
    if status in {"paid", "declined"}:
        return status
    if status == "open":
        raise TooManyDeclines
    if status == "refunded":
        raise AlreadyRefunded
    if status == "cancelled":
        raise PaymentCancelled
    raise PaymentExpired


def webhook_for(payment: Payment, status: Reported, event_id: str, *, at: datetime) -> Webhook:
    """Return the webhook that reports the new status of a payment."""
    amount, reference = payment.amount.amount, str(payment.reference)
    data: dict[str, Any] = {
        "id": payment.id,
        "currency": payment.amount.currency.lower(),
        "metadata": {"session_id": reference},
    }
    checkout = {"object": "checkout.session", "client_reference_id": reference, "amount_total": amount}
    match status:
        case "paid":
            data |= {**checkout, "status": "complete", "payment_status": "paid"}
        case "expired":
            data |= {**checkout, "status": "expired", "payment_status": "unpaid"}
        case "declined":
            error = {"code": DECLINE_CODE, "message": _DECLINED}
            data |= {"object": "payment_intent", "amount": amount, "last_payment_error": error}
        case "refunded":
            data |= {"object": "charge", "amount_refunded": amount, "refunded": True}
    body = {
        "id": event_id,
        "object": "event",
        "type": _EVENT_TYPES[status],
        "created": int(at.timestamp()),
        "livemode": False,
        "data": {"object": data},
    }
    return Webhook(event_id, _EVENT_TYPES[status], body)
