"""The rules of the search index: the entry of an order, a payment, a product or a shop that each event changes."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.message import Event
from nextbuy.contracts.money import format_money
from nextbuy.contracts.order import (
    OrderCreated,
    OrderRefunded,
    PaymentDeclined,
    PaymentFailed,
    PaymentGivenUp,
    PaymentRefunded,
    PaymentUnmatched,
    Reason,
    RefundDue,
    SessionCancelled,
    SessionCreated,
    SessionExpired,
    SessionNotOpened,
    SessionOpened,
    SessionPaid,
    UnmatchedPaymentGivenUp,
    UnmatchedPaymentRefunded,
)
from nextbuy.contracts.product import ProductApproved, ProductCreated, ProductPending, ProductRejected, ProductUpdated
from nextbuy.contracts.seller import (
    SHOP_EVENTS,
    SellerApproved,
    SellerRegistered,
    SellerRejected,
    SellerSuspended,
    SellerUpdated,
)
from nextbuy.contracts.values import Money
from nextbuy.kit.events.inbound import InboundEvent

_PAYMENT_STATUSES: Final[dict[type[Event], str]] = {
    SessionCreated: "opening",
    SessionOpened: "open",
    SessionNotOpened: "failed",
    SessionExpired: "expired",
    SessionCancelled: "cancelled",
    PaymentDeclined: "open",
    PaymentFailed: "failed",
    SessionPaid: "paid",
    RefundDue: "refund-due",
    PaymentGivenUp: "given-up",
    PaymentRefunded: "refunded",
}
"""The status of a payment after each event of its checkout; an event that another follows at once is left out."""
_UNMATCHED_STATUSES: Final[dict[type[Event], str]] = {
    PaymentUnmatched: "refund-due",
    UnmatchedPaymentGivenUp: "given-up",
    UnmatchedPaymentRefunded: "refunded",
}
ORDER_STATUSES: Final = ("paid", "refunded")
PAYMENT_STATUSES: Final = tuple(dict.fromkeys((*_PAYMENT_STATUSES.values(), *_UNMATCHED_STATUSES.values())))
INDEXED_EVENTS: Final[tuple[type[Event], ...]] = (
    *_PAYMENT_STATUSES,
    *_UNMATCHED_STATUSES,
    OrderCreated,
    OrderRefunded,
    ProductCreated,
    ProductUpdated,
    ProductPending,
    ProductApproved,
    ProductRejected,
    *SHOP_EVENTS,
)
"""Events that change the search index."""
RENAMED: Final = ("product", "shop")
"""The kinds whose title may change; each of their events has the title."""
_MAX_WORDS: Final = 12
"""Words of a title by which it is found."""
_WORD: Final = re.compile(r"\w+")
MAX_TERM: Final = 100
"""Characters of a term; a longer text is cut."""
_MAX_REASON: Final = 300


class Entry(Struct, frozen=True, kw_only=True):
    """The content of one event, or of several in a row, about an entry; an empty field changes nothing."""

    kind: str
    id: str
    status: str
    at: datetime
    position: int
    title: str = ""
    reason: str = ""
    person_id: UUID | None = None
    terms: Sequence[str] = ()
    title_position: int = 0
    reason_position: int = 0
    person_position: int = 0

    def placed(self) -> "Entry":
        """Return this entry with its position as that of each field that has a value."""
        return replace(
            self,
            title_position=self.position if self.title else 0,
            reason_position=self.position if self.reason else 0,
            person_position=self.position if self.person_id else 0,
        )


def search_term(text: str) -> str:
    """Return a text as it is indexed and searched for: in lower case, with single spaces."""
    return " ".join(text.casefold().split())[:MAX_TERM]


def entries_of(events: Iterable[InboundEvent]) -> list[Entry]:
    """Return one entry for all events of a batch about the same order, payment, product or shop."""
    merged: dict[tuple[str, str], Entry] = {}
    for inbound in sorted(events, key=lambda inbound: inbound.position):
        entry = _entry_of(inbound).placed()
        earlier = merged.get((entry.kind, entry.id))
        merged[entry.kind, entry.id] = entry if earlier is None else _merge(earlier, entry)
    return [merged[key] for key in sorted(merged)]


def _merge(earlier: Entry, later: Entry) -> Entry:
    earlier_terms = () if later.kind in RENAMED else earlier.terms
    return replace(
        later,
        at=min(earlier.at, later.at),
        title=later.title or earlier.title,
        reason=later.reason or earlier.reason,
        person_id=later.person_id or earlier.person_id,
        title_position=later.title_position or earlier.title_position,
        reason_position=later.reason_position or earlier.reason_position,
        person_position=later.person_position or earlier.person_position,
        terms=tuple(dict.fromkeys((*earlier_terms, *later.terms))),
    )


def _entry_of(inbound: InboundEvent) -> Entry:
    at, position, event = inbound.envelope.time, inbound.position, inbound.event
    match event:
        case OrderCreated():
            return Entry(
                kind="order",
                id=str(event.order_id),
                status="paid",
                at=at,
                position=position,
                title=event.number,
                person_id=event.buyer_id,
                terms=_terms(event.order_id, event.number, event.number.removeprefix("NB-"), event.session_id),
            )
        case OrderRefunded():
            return Entry(
                kind="order",
                id=str(event.order_id),
                status="refunded",
                at=at,
                position=position,
                title=event.number,
                reason=event.reason,
                person_id=event.buyer_id,
                terms=_terms(event.order_id),
            )
        case ProductCreated() | ProductUpdated() | ProductPending() | ProductApproved() | ProductRejected():
            return Entry(
                kind="product",
                id=str(event.product_id),
                status=event.status,
                at=at,
                position=position,
                title=event.title,
                person_id=event.seller_id,
                terms=_terms(event.product_id, *_words_onward(event.title)),
            )
        case SellerRegistered() | SellerUpdated() | SellerApproved() | SellerRejected() | SellerSuspended():
            return Entry(
                kind="shop",
                id=str(event.shop_id),
                status=event.status,
                at=at,
                position=position,
                title=event.shop_name,
                person_id=event.user_id,
                terms=_terms(event.shop_id, *_words_onward(event.shop_name)),
            )
        case _:
            return _payment(event, at, position)


def _payment(event: Any, at: datetime, position: int) -> Entry:  # noqa: ANN401  one of two groups of events
    """Return the entry of a payment: under the id of its checkout, or under its own if no checkout can use it."""
    payment_id: str = getattr(event, "payment_id", "")
    reason: str = getattr(event, "reason", "")
    amount: Money | None = getattr(event, "total", None)
    unusable = type(event) in _UNMATCHED_STATUSES or reason == Reason.UNMATCHED
    entry_id = payment_id if unusable else str(event.session_id)
    return Entry(
        kind="payment",
        id=entry_id,
        status=_PAYMENT_STATUSES.get(type(event)) or _UNMATCHED_STATUSES[type(event)],
        at=at,
        position=position,
        title=format_money(amount) if amount is not None else "",
        reason=reason[:_MAX_REASON],
        person_id=getattr(event, "buyer_id", None),
        terms=_terms(entry_id, *([payment_id] if payment_id else [])),
    )


def _terms(*texts: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(search_term(str(text)) for text in texts))


def _words_onward(title: str) -> list[str]:
    """Return a title from each of its first words on, so that it is found by the beginning of any of them."""
    return [title[word.start() :] for word in islice(_WORD.finditer(title), _MAX_WORDS)]
