"""The payment provider's webhook events, in Stripe's format, decoded to the fields that a checkout needs."""

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from nextbuy.contracts.errors import BadRequest
from nextbuy.contracts.order import Reason
from nextbuy.contracts.values import MAX_INTEGER, Money

_Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
_Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
_Currency = Annotated[str, Meta(pattern="^[A-Za-z]{3}$", max_length=3)]


InvalidWebhookEvent: Final = BadRequest.of("invalid-event", "Invalid webhook event. Send an event in Stripe's format.")


class WebhookKind(StrEnum):
    """The outcome that an event reports."""

    PAID = "paid"
    DECLINED = "declined"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    IGNORED = "ignored"


KINDS: Final = {
    "checkout.session.completed": WebhookKind.PAID,
    "checkout.session.async_payment_succeeded": WebhookKind.PAID,
    "checkout.session.async_payment_failed": WebhookKind.DECLINED,
    "payment_intent.payment_failed": WebhookKind.DECLINED,
    "checkout.session.expired": WebhookKind.EXPIRED,
    "charge.refunded": WebhookKind.REFUNDED,
}


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """One event of the provider."""

    event_id: str
    type: str
    kind: WebhookKind
    payment_id: str = ""
    session_id: UUID | None = None
    """None if the event has no session id, or a malformed one."""
    money: Money = Money(0)
    """The amount paid; zero unless `kind` is `PAID`."""
    reason: str = ""
    """Why a payment was declined: `declined`, or the provider's own words."""


class _Data(Struct):
    object: Raw


class _Event(Struct):
    id: _Id
    type: _Id
    data: _Data


class _Metadata(Struct):
    session_id: str | None = None


class _Failure(Struct):
    message: Annotated[str, Meta(max_length=1_000)] | None = None


class _Object(Struct):
    id: _Id
    client_reference_id: str | None = None
    metadata: _Metadata | None = None
    amount_total: _Amount | None = None
    currency: _Currency | None = None
    payment_status: str | None = None
    last_payment_error: _Failure | None = None


def decode_webhook(body: bytes) -> WebhookEvent:
    """Decode the body of a webhook; of an event type without a handler, only id and type.

    Raises:
        BadRequest: the body is not an event (`invalid-event`).
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        kind = KINDS.get(event.type, WebhookKind.IGNORED)
        if kind is WebhookKind.IGNORED:
            return WebhookEvent(event_id=event.id, type=event.type, kind=kind)
        data = msgspec.json.decode(event.data.object, type=_Object)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidWebhookEvent(f"Invalid event: {error}. Send an event in Stripe's format.") from None
    if kind is WebhookKind.PAID and data.payment_status != "paid":
        # With a slow payment method, a later event reports the payment.
        kind = WebhookKind.IGNORED
    return WebhookEvent(
        event_id=event.id,
        type=event.type,
        kind=kind,
        payment_id=data.id,
        session_id=_session_id(data),
        money=_money(data) if kind is WebhookKind.PAID else Money(0),
        reason=_reason(data),
    )


def _money(data: _Object) -> Money:
    if data.amount_total is None or data.currency is None:
        raise InvalidWebhookEvent("Invalid event: a payment needs `amount_total` and `currency`.")
    return Money(data.amount_total, data.currency.upper())


def _session_id(data: _Object) -> UUID | None:
    reference = data.client_reference_id or (data.metadata.session_id if data.metadata else None)
    try:
        return UUID(reference) if reference else None
    except ValueError:
        return None


def _reason(data: _Object) -> str:
    message = data.last_payment_error.message if data.last_payment_error else None
    # PostgreSQL's text cannot hold NUL.
    return (message or "").replace("\0", "") or Reason.DECLINED
