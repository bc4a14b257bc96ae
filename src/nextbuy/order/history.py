"""What is told of a session, and how what was told becomes the session again.

Pure, as the model is: `begun` and `told` make the events of a step, `evolve` takes a life one event further. So the
state of a session, of its orders and of payments beside it can be built from the event log alone;
`store/session_projection.py` reads the same from the rows. What the log does not hold is in neither: the address, and
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import (
    OrderCreated,
    OrderPaid,
    PaymentFailed,
    PaymentReceived,
    PaymentRefunded,
    RefundDue,
    SessionCreated,
    SessionExpired,
    SessionNotOpened,
    SessionOpened,
    SessionPaid,
    SoldLine,
)
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money
from nextbuy.order.model import GONE, LATE, Draft, Session, State, Transition, after, sources

STEPS: Final[Mapping[Transition, tuple[type[Event], ...]]] = MappingProxyType(
    {
        Transition.OPENED: (SessionOpened,),
        Transition.NOT_OPENED: (SessionNotOpened,),
        Transition.DECLINED: (PaymentFailed,),
        Transition.LAPSED: (SessionExpired,),
        Transition.MONEY_CAME: (PaymentReceived,),
        Transition.WRONG_MONEY_CAME: (PaymentReceived, RefundDue),
        Transition.GOODS_TAKEN: (SessionPaid, OrderCreated, OrderPaid),
        Transition.GOODS_GONE: (RefundDue,),
        Transition.MONEY_RETURNED: (PaymentRefunded,),
    }
)
"""By which events each happening is told."""
TOLD: Final[tuple[type[Event], ...]] = tuple(
    dict.fromkeys([SessionCreated, *(e for step in STEPS.values() for e in step)])
)
"""All events of a session and its orders."""


# ── a step becomes events ──


def begun(session: Session) -> SessionCreated:
    """Return what is told of a session that begins."""
    return SessionCreated(
        session_id=session.id,
        buyer_id=session.buyer_id,
        total=session.total,
        lines=session.lines,
        expires_at=session.expires_at,
    )


def told(happening: Transition, session: Session, made: Sequence[tuple[UUID, Draft]] = ()) -> list[Event]:
    """Return what is told of a session to which something has happened; with its orders, where these were made."""
    whose = {"session_id": session.id, "buyer_id": session.buyer_id}
    payment_id, reason, money = session.payment_id or "", session.reason or GONE, session.received or session.total
    received = PaymentReceived(**whose, payment_id=payment_id, total=money)
    due = RefundDue(**whose, payment_id=payment_id, total=money, reason=reason)
    match happening:
        case Transition.OPENED:
            return [SessionOpened(**whose, payment_id=payment_id)]
        case Transition.NOT_OPENED:
            return [SessionNotOpened(**whose, reason=reason)]
        case Transition.DECLINED:
            return [PaymentFailed(**whose, reason=reason)]
        case Transition.LAPSED:
            return [SessionExpired(**whose)]
        case Transition.MONEY_CAME:
            return [received]
        case Transition.WRONG_MONEY_CAME:
            return [received, due]
        case Transition.GOODS_TAKEN:
            return _of_orders(session, made)
        case Transition.GOODS_GONE:
            return [due]
        case Transition.MONEY_RETURNED:
            return [
                PaymentRefunded(**whose, total=money, reason=reason, payment_id=payment_id, refund_id=session.refund_id)
            ]


def _of_orders(session: Session, made: Sequence[tuple[UUID, Draft]]) -> list[Event]:
    return [
        SessionPaid(
            session_id=session.id,
            buyer_id=session.buyer_id,
            total=session.total,
            order_ids=[order_id for order_id, _ in made],
        ),
        *(
            OrderCreated(
                order_id=order_id,
                number=part.number,
                session_id=session.id,
                buyer_id=session.buyer_id,
                shop_id=part.shop_id,
                total=part.total,
                lines=[
                    PricedLine(line.product_id, line.shop_id, line.title, line.quantity, line.unit_price)
                    for line in part.lines
                ],
                seller_id=part.seller_id,
            )
            for order_id, part in made
        ),
        *(
            OrderPaid(order_id=order_id, session_id=session.id, shop_id=part.shop_id, total=part.total)
            for order_id, part in made
        ),
    ]


# ── events become a life ──


class OrderProjection(Struct, frozen=True, kw_only=True):
    """One shop's part of a paid session."""

    number: str
    buyer_id: UUID
    shop_id: UUID
    seller_id: UUID | None
    status: str
    total: Money
    lines: list[PricedLine]


class OtherPayment(Struct, frozen=True):
    """A payment that came for a session beside the one that counts; `returned` once it has gone back."""

    total: Money
    reason: str
    returned: bool = False
    refund_id: str | None = None


class SessionProjection(Struct, frozen=True, kw_only=True):
    """A session, the orders that came of it and the payments beside it; `amiss` is what no rule would have allowed."""

    id: UUID
    buyer_id: UUID
    status: State
    total: Money
    lines: list[SoldLine]
    expires_at: datetime
    opened: bool = False
    """Whether there ever was a page to pay it on."""
    payment_id: str | None = None
    received: Money | None = None
    reason: str | None = None
    refund_id: str | None = None
    orders: dict[UUID, OrderProjection] = {}
    others: dict[str, OtherPayment] = {}
    amiss: tuple[str, ...] = ()


def evolve(life: SessionProjection | None, event: Event) -> SessionProjection | None:
    """Return a life after one event more; what it does not know changes nothing.

    Of a life whose beginning was not told, nothing is told.
    """
    if isinstance(event, SessionCreated):
        return _begin(event) if life is None else _amiss(life, event)
    if life is None:
        return None
    match event:
        case OrderCreated() | OrderPaid():
            return _order(life, event)
        case RefundDue() | PaymentRefunded() if life.received and event.payment_id not in {"", life.payment_id}:
            return _other(life, event)
    step = _happening(event)
    if step is None:
        return life
    happening, changes = step
    return (
        replace(life, status=after(happening), **changes) if life.status in sources(happening) else _amiss(life, event)
    )


def _happening(event: Event) -> tuple[Transition, dict[str, object]] | None:
    """Return what has happened to a session, and what that changes beside its state."""
    match event:
        case SessionOpened():
            return Transition.OPENED, {"opened": True, "payment_id": event.payment_id}
        case SessionNotOpened():
            return Transition.NOT_OPENED, {"reason": event.reason}
        case PaymentFailed():
            return Transition.DECLINED, {"reason": event.reason}
        case SessionExpired():
            return Transition.LAPSED, {"reason": LATE}
        case PaymentReceived():
            return Transition.MONEY_CAME, {"payment_id": event.payment_id, "received": event.total, "reason": None}
        case SessionPaid():
            return Transition.GOODS_TAKEN, {}
        case RefundDue():
            return Transition.GOODS_GONE, {"reason": event.reason}
        case PaymentRefunded():
            return Transition.MONEY_RETURNED, {"refund_id": event.refund_id}
        case _:
            return None


def _begin(event: SessionCreated) -> SessionProjection:
    return SessionProjection(
        id=event.session_id,
        buyer_id=event.buyer_id,
        status=State.OPENING,
        total=event.total,
        lines=event.lines,
        expires_at=event.expires_at,
    )


def _amiss(life: SessionProjection, event: Event) -> SessionProjection:
    return replace(life, amiss=(*life.amiss, f"{event.topic} when it was {life.status}"))


def _order(life: SessionProjection, event: OrderCreated | OrderPaid) -> SessionProjection:
    known = life.orders.get(event.order_id)
    if isinstance(event, OrderPaid):
        if known is None or known.status != "created":
            return _amiss(life, event)
        return replace(life, orders={**life.orders, event.order_id: replace(known, status="paid")})
    if known is not None or life.status is not State.PAID:
        return _amiss(life, event)
    made = OrderProjection(
        number=event.number,
        buyer_id=event.buyer_id,
        shop_id=event.shop_id,
        seller_id=event.seller_id,
        status="created",
        total=event.total,
        lines=event.lines,
    )
    return replace(life, orders={**life.orders, event.order_id: made})


def _other(life: SessionProjection, event: RefundDue | PaymentRefunded) -> SessionProjection:
    known = life.others.get(event.payment_id)
    if isinstance(event, RefundDue):
        if known is not None:
            return _amiss(life, event)
        payment = OtherPayment(event.total, event.reason)
    elif known is None or known.returned:
        return _amiss(life, event)
    else:
        payment = replace(known, returned=True, refund_id=event.refund_id)
    return replace(life, others={**life.others, event.payment_id: payment})


def fold(events: Iterable[Event]) -> SessionProjection | None:
    """Return the life that events tell, those of the session and of its orders, in their order."""
    return reduce(evolve, events, cast("SessionProjection | None", None))


_READERS: Final = {event.topic: msgspec.json.Decoder(event).decode for event in TOLD}


def read(envelope: Envelope) -> Event | None:
    """Return what an envelope of order's own log tells; None for an event that is not known here."""
    decode = _READERS.get(envelope.type)
    return None if decode is None else decode(envelope.data)
