"""What a payment provider says by webhook, in Stripe's words; only what the shop acts on is read."""

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from nextbuy.contracts.errors import BadRequest
from nextbuy.contracts.values import Money

_Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
_Amount = Annotated[int, Meta(ge=0, le=2**62)]
_Code = Annotated[str, Meta(pattern="^[A-Za-z]{3}$")]


class Kind(StrEnum):
    """What a notice comes to."""

    PAID = "paid"
    DECLINED = "declined"
    LAPSED = "lapsed"
    REFUNDED = "refunded"
    IGNORED = "ignored"


KINDS: Final = {
    "checkout.session.completed": Kind.PAID,
    "checkout.session.async_payment_succeeded": Kind.PAID,
    "checkout.session.async_payment_failed": Kind.DECLINED,
    "payment_intent.payment_failed": Kind.DECLINED,
    "checkout.session.expired": Kind.LAPSED,
    "charge.refunded": Kind.REFUNDED,
}


class Notice(Struct, frozen=True, kw_only=True):
    """One thing that the provider says; the session is None where the provider names none that could be ours."""

    event_id: str
    type: str
    kind: Kind
    payment_id: str = ""
    session_id: UUID | None = None
    money: Money | None = None
    reason: str = ""


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
    currency: _Code | None = None
    payment_status: str | None = None
    last_payment_error: _Failure | None = None


def read_notice(body: bytes) -> Notice:
    """Read a webhook's body; types that are not ours to act on come out as ignored, whatever they are about.

    Raises:
        BadRequest: it is no event (`bad-event`).
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        kind = KINDS.get(event.type, Kind.IGNORED)
        if kind is Kind.IGNORED:
            return Notice(event_id=event.id, type=event.type, kind=kind)
        said = msgspec.json.decode(event.data.object, type=_Object)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"This is no event: {error}", slug="bad-event") from None
    if kind is Kind.PAID and said.payment_status != "paid":
        # A payment that takes days: the page was filled in, and the money will be told of when it comes.
        kind = Kind.IGNORED
    money = None
    if kind is Kind.PAID:
        if said.amount_total is None or said.currency is None:
            raise BadRequest("A payment without amount and currency is no payment.", slug="bad-event")
        money = Money(said.amount_total, said.currency.upper())
    return Notice(
        event_id=event.id,
        type=event.type,
        kind=kind,
        payment_id=said.id,
        session_id=_session(said),
        money=money,
        reason=_reason(said),
    )


def _session(said: _Object) -> UUID | None:
    reference = said.client_reference_id or (said.metadata.session_id if said.metadata else None)
    try:
        return UUID(reference) if reference else None
    except ValueError:
        return None


def _reason(said: _Object) -> str:
    message = said.last_payment_error.message if said.last_payment_error else None
    # PostgreSQL's text cannot hold NUL.
    return (message or "").replace("\0", "") or "the card was declined"
