"""The events of a payment session, and the fold that rebuilds the session from them.

Pure functions: `events_for` returns the events of a transition, `evolve` applies an event to a projection. That is a
session with its orders and unmatched payments, with all columns of their rows except leases and schedules.
`store/session_projection.py` reads the same projection from the tables for comparison; `restoration.py` inserts it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import (
    HoldReleased,
    OrderCreated,
    OrderPaid,
    OrderRefunded,
    PaymentDeclined,
    PaymentFailed,
    PaymentGivenUp,
    PaymentReceived,
    PaymentRefunded,
    Reason,
    RefundDue,
    RefundReported,
    ReleaseGivenUp,
    SessionCancelled,
    SessionCreated,
    SessionExpired,
    SessionNotOpened,
    SessionOpened,
    SessionPaid,
    SoldLine,
)
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money
from nextbuy.order.model import OrderDraft, Session, State, Transition, exceeds, source_states, target_state
from nextbuy.order.unmatched_history import (
    UNMATCHED_EVENTS,
    Origin,
    TracedEvent,
    UnmatchedPaymentProjection,
    evolve_unmatched,
)

EVENTS_BY_TRANSITION: Final[Mapping[Transition, tuple[type[Event], ...]]] = {
    Transition.CREATED: (SessionCreated,),
    Transition.OPENED: (SessionOpened,),
    Transition.NOT_OPENED: (SessionNotOpened,),
    Transition.PAYMENT_FAILED: (PaymentFailed,),
    Transition.DECLINED: (PaymentDeclined,),
    Transition.EXPIRED: (SessionExpired,),
    Transition.CANCELLED: (SessionCancelled,),
    Transition.PAYMENT_RECEIVED: (PaymentReceived,),
    Transition.WRONG_AMOUNT_RECEIVED: (PaymentReceived, RefundDue),
    Transition.STOCK_COMMITTED: (SessionPaid, OrderCreated, OrderPaid),
    Transition.SOLD_OUT: (RefundDue,),
    Transition.GIVEN_UP: (PaymentGivenUp,),
    Transition.REFUNDED: (PaymentRefunded,),
    Transition.REFUNDED_EARLY: (PaymentReceived, RefundDue, PaymentRefunded),
    Transition.REFUNDED_LATE: (PaymentRefunded, OrderRefunded),
}
"""The types of events that each transition publishes."""
EVENTS: Final[tuple[type[Event], ...]] = (
    *dict.fromkeys(event for events in EVENTS_BY_TRANSITION.values() for event in events),
    HoldReleased,
    ReleaseGivenUp,
    RefundReported,
)
"""All events of a session and of its orders."""


# ── from a transition to events ──


def events_for(  # noqa: C901, PLR0912  one case per transition
    transition: Transition, session: Session, orders: Sequence[tuple[UUID, OrderDraft]] = ()
) -> list[Event]:
    """Return the events of a transition; `session` is the session after it, `orders` are the orders it created."""
    ids = {"session_id": session.id, "buyer_id": session.buyer_id}
    payment_id, reason = session.payment_id or "", session.reason or ""
    money = session.received or session.total
    received = PaymentReceived(**ids, payment_id=payment_id, total=money, serial=session.serial or None)
    refund_due = RefundDue(**ids, payment_id=payment_id, total=money, reason=reason)
    refunded = PaymentRefunded(**ids, total=money, reason=reason, payment_id=payment_id, refund_id=session.refund_id)
    match transition:
        case Transition.CREATED:
            return [SessionCreated(**ids, total=session.total, lines=session.lines, expires_at=session.expires_at)]
        case Transition.OPENED:
            return [SessionOpened(**ids, payment_id=payment_id, payment_url=session.payment_url or "")]
        case Transition.NOT_OPENED:
            return [SessionNotOpened(**ids, reason=reason, release_due=session.release_due)]
        case Transition.PAYMENT_FAILED:
            return [PaymentFailed(**ids, reason=reason)]
        case Transition.DECLINED:
            return [PaymentDeclined(**ids, declines=session.declines, reason=session.decline_code or Reason.DECLINED)]
        case Transition.EXPIRED:
            return [SessionExpired(**ids)]
        case Transition.CANCELLED:
            return [SessionCancelled(**ids, reason=reason)]
        case Transition.PAYMENT_RECEIVED:
            return [received]
        case Transition.WRONG_AMOUNT_RECEIVED:
            return [received, refund_due]
        case Transition.STOCK_COMMITTED:
            return _order_events(session, orders)
        case Transition.SOLD_OUT:
            return [refund_due]
        case Transition.GIVEN_UP:
            note = session.give_up_note or ""
            return [PaymentGivenUp(**ids, payment_id=payment_id, total=money, reason=reason, note=note)]
        case Transition.REFUNDED:
            return [refunded]
        case Transition.REFUNDED_EARLY:
            return [received, refund_due, refunded]
        case Transition.REFUNDED_LATE:
            return [refunded, *_refunds_of_orders(session, orders)]


def _order_events(session: Session, orders: Sequence[tuple[UUID, OrderDraft]]) -> list[Event]:
    return [
        SessionPaid(
            session_id=session.id,
            buyer_id=session.buyer_id,
            total=session.total,
            order_ids=[order_id for order_id, _ in orders],
        ),
        *(
            OrderCreated(
                order_id=order_id,
                number=draft.number,
                session_id=session.id,
                buyer_id=session.buyer_id,
                shop_id=draft.shop_id,
                total=draft.total,
                lines=[line.priced() for line in draft.lines],
                seller_id=draft.seller_id,
            )
            for order_id, draft in orders
        ),
        *(
            OrderPaid(order_id=order_id, session_id=session.id, shop_id=draft.shop_id, total=draft.total)
            for order_id, draft in orders
        ),
    ]


def _refunds_of_orders(session: Session, orders: Sequence[tuple[UUID, OrderDraft]]) -> list[Event]:
    return [
        OrderRefunded(
            order_id=order_id,
            number=draft.number,
            session_id=session.id,
            buyer_id=session.buyer_id,
            shop_id=draft.shop_id,
            seller_id=draft.seller_id,
            total=draft.total,
            reason=session.reason or "",
        )
        for order_id, draft in orders
    ]


# ── from events to a projection ──


class OrderProjection(Struct, frozen=True, kw_only=True):
    """An order: one shop's part of a paid session."""

    number: str
    buyer_id: UUID
    shop_id: UUID
    seller_id: UUID
    status: str
    total: Money
    lines: list[PricedLine]
    created_at: datetime


class SessionProjection(Struct, frozen=True, kw_only=True):
    """A session with its orders and unmatched payments."""

    id: UUID
    buyer_id: UUID
    status: State
    total: Money
    lines: list[SoldLine]
    expires_at: datetime
    traceparent: str
    correlation_id: str
    created_at: datetime
    serial: int | None = None
    payment_id: str | None = None
    payment_url: str | None = None
    received: Money | None = None
    paid_at: datetime | None = None
    reason: str | None = None
    declines: int = 0
    decline_code: str | None = None
    declined_at: datetime | None = None
    refund_id: str | None = None
    reported_refunds: dict[str, Money] = {}
    """The provider's refunds that changed no state, by payment."""
    give_up_note: str | None = None
    release_due: bool = False
    """Whether its units may be held, and are to be released."""
    orders: dict[UUID, OrderProjection] = {}
    unmatched_payments: dict[str, UnmatchedPaymentProjection] = {}
    violations: tuple[str, ...] = ()
    """The events that the state of the session did not allow, each with that state."""


def evolve(session: SessionProjection | None, event: Event, origin: Origin) -> SessionProjection | None:
    """Apply one event to a projection; an event of an unknown type changes nothing.

    Returns None until `SessionCreated` was applied.
    """
    if isinstance(event, SessionCreated):
        return _created(event, origin) if session is None else _violated(session, event)
    if session is None:
        return None
    match event:
        case OrderCreated() | OrderPaid() | OrderRefunded():
            return _with_order(session, event, origin)
        case RefundDue() | PaymentGivenUp() | PaymentRefunded() if session.status is State.CANCELLED or (
            session.received and event.payment_id != session.payment_id
        ):
            return _with_unmatched_payment(session, event, origin)
        case RefundReported() | PaymentDeclined() if not _is_next(session, event):
            return _violated(session, event)
        case RefundReported():
            return replace(session, reported_refunds={**session.reported_refunds, event.payment_id: event.total})
        case HoldReleased() | ReleaseGivenUp():
            return replace(session, release_due=False) if session.release_due else _violated(session, event)
    change = _transition_of(session, event, origin)
    if change is None:
        return session
    transition, fields = change
    if session.status not in source_states(transition):
        return _violated(session, event)
    return replace(session, status=target_state(transition), **fields)


def _is_next(session: SessionProjection, event: RefundReported | PaymentDeclined) -> bool:
    """Return whether a refund or a decline is the next one: new, and none before it is missing."""
    if isinstance(event, PaymentDeclined):
        return event.declines == session.declines + 1
    return exceeds(event.total, session.reported_refunds.get(event.payment_id))


def _transition_of(  # noqa: C901  one case per event
    session: SessionProjection, event: Event, origin: Origin
) -> tuple[Transition, dict[str, object]] | None:
    """Return the transition that an event publishes, and the fields that it changes besides the status."""
    match event:
        case SessionOpened():
            return Transition.OPENED, {"payment_id": event.payment_id, "payment_url": event.payment_url}
        case SessionNotOpened():
            return Transition.NOT_OPENED, {"reason": event.reason, "release_due": event.release_due}
        case PaymentFailed():
            return Transition.PAYMENT_FAILED, {"reason": event.reason, "release_due": True}
        case PaymentDeclined():
            return Transition.DECLINED, {
                "declines": event.declines,
                "decline_code": event.reason,
                "declined_at": origin.at,
            }
        case SessionExpired():
            return Transition.EXPIRED, {"reason": Reason.LATE, "release_due": True}
        case SessionCancelled():
            return Transition.CANCELLED, {"reason": event.reason, "release_due": True}
        case PaymentReceived():
            changes = {
                "payment_id": event.payment_id,
                "received": event.total,
                "paid_at": origin.at,
                "serial": event.serial,
                "reason": None,
                "release_due": event.total != session.total,
            }
            return Transition.PAYMENT_RECEIVED, changes
        case SessionPaid():
            return Transition.STOCK_COMMITTED, {}
        case RefundDue():
            early = event.reason == Reason.REFUNDED_EARLY
            return Transition.SOLD_OUT, {"reason": event.reason, "release_due": session.release_due or early}
        case PaymentGivenUp():
            changes = {
                "reason": event.reason,
                "give_up_note": event.note,
                "release_due": session.release_due or session.status is State.PAYING,
            }
            return Transition.GIVEN_UP, changes
        case PaymentRefunded(reason=Reason.REFUNDED_LATE):
            return Transition.REFUNDED_LATE, {"reason": event.reason}
        case PaymentRefunded():
            return Transition.REFUNDED, {"refund_id": event.refund_id}
    return None


def _created(event: SessionCreated, origin: Origin) -> SessionProjection:
    return SessionProjection(
        id=event.session_id,
        buyer_id=event.buyer_id,
        status=State.OPENING,
        total=event.total,
        lines=event.lines,
        expires_at=event.expires_at,
        traceparent=origin.traceparent,
        correlation_id=origin.correlation_id,
        created_at=origin.at,
    )


def _violated(session: SessionProjection, event: Event) -> SessionProjection:
    return replace(session, violations=(*session.violations, f"{event.topic} in state {session.status}"))


def _with_order(
    session: SessionProjection, event: OrderCreated | OrderPaid | OrderRefunded, origin: Origin
) -> SessionProjection:
    known = session.orders.get(event.order_id)
    if not isinstance(event, OrderCreated):
        before, after = ("created", "paid") if isinstance(event, OrderPaid) else ("paid", "refunded")
        if known is None or known.status != before:
            return _violated(session, event)
        return replace(session, orders={**session.orders, event.order_id: replace(known, status=after)})
    # The events of orders are applied after all others of the session, which may be refunded by then.
    if known is not None or not (session.status is State.PAID or session.reason == Reason.REFUNDED_LATE):
        return _violated(session, event)
    order = OrderProjection(
        number=event.number,
        buyer_id=event.buyer_id,
        shop_id=event.shop_id,
        seller_id=event.seller_id,
        status="created",
        total=event.total,
        lines=event.lines,
        created_at=origin.at,
    )
    return replace(session, orders={**session.orders, event.order_id: order})


def _with_unmatched_payment(
    session: SessionProjection, event: RefundDue | PaymentGivenUp | PaymentRefunded, origin: Origin
) -> SessionProjection:
    payment = evolve_unmatched(session.unmatched_payments.get(event.payment_id), event, origin)
    if payment is None:
        return _violated(session, event)
    return replace(session, unmatched_payments={**session.unmatched_payments, event.payment_id: payment})


def fold(events: Iterable[TracedEvent]) -> SessionProjection | None:
    """Return the projection of a session, from the events of the session and its orders, oldest first."""
    session: SessionProjection | None = None
    for event, origin in events:
        session = evolve(session, event, origin)
    return session


_DECODERS: Final = {event.topic: msgspec.json.Decoder(event).decode for event in (*EVENTS, *UNMATCHED_EVENTS)}


def decode_event(envelope: Envelope) -> Event | None:
    """Return the event in an envelope of the order service's log, or None if its type is unknown here."""
    decode = _DECODERS.get(envelope.type)
    return None if decode is None else decode(envelope.data)
