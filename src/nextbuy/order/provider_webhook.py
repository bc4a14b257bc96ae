"""The payment provider's webhook events, in Stripe's format, decoded to the fields that a checkout needs.

A field that is not needed may have any value, and so may a text for people: neither decides whether an event is valid.
"""

import re
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from nextbuy.contracts.errors import BadRequest
from nextbuy.contracts.order import MAX_PROVIDER_TEXT, DeclineCode, Reason
from nextbuy.contracts.text import clean_line
from nextbuy.contracts.values import MAX_INTEGER, Money
from nextbuy.kit.field_messages import field_error
from nextbuy.kit.strict_json import DECODE_ERRORS, decode_read_fields

Read = TypeVar("Read")
_Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        extra={"invalid": "Not an id. Send printable ASCII characters without spaces."},
    ),
]
_Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
_Currency = Annotated[
    str,
    Meta(pattern="^[A-Za-z]{3}$", max_length=3, extra={"invalid": "Not a currency. Send three letters, such as usd."}),
]


InvalidWebhookEvent: Final = BadRequest.of("invalid-event", "Invalid webhook event. Send an event in Stripe's format.")


_ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""The escapes of a JSON text: surrogate pairs, half a pair (`half`), and all others."""


class WebhookKind(StrEnum):
    """The outcome that an event reports."""

    PAID = "paid"
    FAILED = "failed"
    """A payment that can no longer succeed."""
    DECLINED = "declined"
    """A card; the next may succeed."""
    EXPIRED = "expired"
    REFUNDED = "refunded"
    IGNORED = "ignored"


KINDS: Final = {
    "checkout.session.completed": WebhookKind.PAID,
    "checkout.session.async_payment_succeeded": WebhookKind.PAID,
    "checkout.session.async_payment_failed": WebhookKind.FAILED,
    "payment_intent.payment_failed": WebhookKind.DECLINED,
    "checkout.session.expired": WebhookKind.EXPIRED,
    "charge.refunded": WebhookKind.REFUNDED,
}


class ReportedRefund(Struct, frozen=True):
    """The amount that a refund event reports, in all refunds of the payment so far."""

    amount: int | None = None
    """None if the event does not say."""
    currency: str | None = None
    whole: bool = False
    """Whether the provider says that the whole charge is refunded."""

    def of(self, payment: Money) -> Money:
        """Return what is refunded of a payment; its amount if the event says "all" without an amount."""
        amount = (payment.amount if self.whole else 0) if self.amount is None else self.amount
        return Money(amount, self.currency or payment.currency)


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """One event of the provider."""

    event_id: str
    type: str
    kind: WebhookKind
    payment_id: str = ""
    """Of a refund, the payment of its charge, or the charge if the event names no payment."""
    charge_id: str = ""
    """Of a refund, the provider's charge."""
    session_id: UUID | None = None
    """None if the event has no session id, or a malformed one."""
    money: Money = Money(0)
    """The amount paid; zero unless `kind` is `PAID`."""
    refund: ReportedRefund = ReportedRefund()
    """Nothing unless `kind` is `REFUNDED`."""
    reason: str = ""
    """Why a payment failed: `declined`, or the provider's own words."""
    decline_code: str = Reason.DECLINED
    """The provider's code for a declined card: the most specific one that is well-formed."""


class _Data(Struct):
    object: Any


class _Head(Struct):
    id: str
    type: str


class _Event(Struct):
    id: _Id
    data: _Data


class _Object(Struct):
    """The object of an event. Only its id must be valid."""

    id: _Id
    payment_intent: Any = None
    """The id of a payment, or the payment itself."""
    client_reference_id: Any = None
    metadata: Any = None
    last_payment_error: Any = None

    def payment_id(self) -> str:
        """Return the id of the payment: a checkout or a charge may name one."""
        payment = self.payment_intent
        try:
            return msgspec.convert(payment.get("id") if isinstance(payment, dict) else payment, _Id)
        except msgspec.ValidationError:
            return self.id


class _Payment(_Object):
    amount_total: _Amount | None = None
    currency: _Currency | None = None
    payment_status: str | None = None


class _Charge(_Object):
    amount: _Amount | None = None
    amount_refunded: _Amount | None = None
    currency: _Currency | None = None
    refunded: bool | None = None

    def refund(self) -> ReportedRefund:
        whole = self.refunded is True or (self.amount is not None and self.amount == self.amount_refunded)
        amount = self.amount if whole and self.amount_refunded is None else self.amount_refunded
        return ReportedRefund(amount, self.currency.upper() if self.currency else None, whole)


_OBJECTS: Final[dict[WebhookKind, type[_Object]]] = {WebhookKind.PAID: _Payment, WebhookKind.REFUNDED: _Charge}
"""The fields that an event needs, by its kind; others need the id of their object only."""
WEBHOOK_TYPES: Final = (_Head, _Event, *_OBJECTS.values())
"""The types that an event is decoded to."""


def decode_webhook(body: bytes) -> WebhookEvent:
    """Decode the body of a webhook; of an event type without a handler, only id and type.

    Raises:
        BadRequest: the body is not an event (`invalid-event`).
    """
    try:
        value = decode_read_fields(_with_whole_characters(body))
    except DECODE_ERRORS:
        raise InvalidWebhookEvent from None
    head = _convert(value, _Head)
    kind = KINDS.get(head.type, WebhookKind.IGNORED)
    if kind is WebhookKind.IGNORED:
        return WebhookEvent(event_id=head.id, type=head.type, kind=kind)
    event = _convert(value, _Event)
    data = _convert(event.data.object, _OBJECTS.get(kind, _Object))
    if isinstance(data, _Payment) and data.payment_status != "paid":
        # With a slow payment method, a later event reports the payment.
        kind = WebhookKind.IGNORED
    return WebhookEvent(
        event_id=event.id,
        type=head.type,
        kind=kind,
        payment_id=data.payment_id(),
        charge_id=data.id if isinstance(data, _Charge) else "",
        session_id=_session_id(data),
        money=_money(data) if isinstance(data, _Payment) and kind is WebhookKind.PAID else Money(0),
        refund=data.refund() if isinstance(data, _Charge) else ReportedRefund(),
        reason=_reason(data),
        decline_code=_decline_code(data),
    )


def _convert(value: object, kind: type[Read]) -> Read:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        invalid = field_error(error, kind)
        raise InvalidWebhookEvent(f"Invalid event: {invalid.field}: {invalid.message}") from None


def _money(data: _Payment) -> Money:
    if data.amount_total is None or data.currency is None:
        raise InvalidWebhookEvent("Invalid event: a payment needs `amount_total` and `currency`. Send both.")
    return Money(data.amount_total, data.currency.upper())


def _session_id(data: _Object) -> UUID | None:
    metadata = data.metadata if isinstance(data.metadata, dict) else {}
    reference = data.client_reference_id or metadata.get("session_id")
    try:
        return UUID(reference) if isinstance(reference, str) else None
    except ValueError:
        return None


def _reason(data: _Object) -> str:
    failure = data.last_payment_error
    message = failure.get("message") if isinstance(failure, dict) else None
    text = message[:MAX_PROVIDER_TEXT] if isinstance(message, str) else ""
    try:
        # Control characters are not shown to people.
        return clean_line("".join(char if char.isprintable() else " " for char in text)) or Reason.DECLINED
    except ValueError:
        return Reason.DECLINED


def _decline_code(data: _Object) -> str:
    failure = data.last_payment_error if isinstance(data.last_payment_error, dict) else {}
    for code in (failure.get("decline_code"), failure.get("code")):
        with suppress(msgspec.ValidationError):
            return msgspec.convert(code, DeclineCode)
    return Reason.DECLINED


def _with_whole_characters(body: bytes) -> bytes:
    """Replace half a surrogate pair in a JSON text: the provider may have cut a text inside a character."""
    whole = body if body.isascii() else body.decode(errors="replace").encode()
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape["half"] else escape[0], whole)
