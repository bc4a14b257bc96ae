"""GET /order/api/order-timeline/{order_id}: the events of an order and of its checkout, oldest first.

The buyer and admins see everything. The seller sees only the shop's own lines and amounts, and neither declined
payments nor refunds.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

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
    RefundDue,
    RefundReported,
    ReleaseGivenUp,
    SessionCancelled,
    SessionCreated,
    SessionExpired,
    SessionNotOpened,
    SessionOpened,
    SessionPaid,
    reason_text,
)
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, Role, Timestamp
from nextbuy.kit.events import event_log
from nextbuy.kit.http.caller import Caller
from nextbuy.order.access import require_order_access
from nextbuy.order.deps import Deps
from nextbuy.order.history import decode_event
from nextbuy.order.store.orders import OrderAccess, OrderLine, order_access

_MAX_EVENTS: Final = 200
"""A timeline shows at most this many events; an order without problems has nine."""

TITLES: Final[dict[type[Event], str]] = {
    SessionCreated: "Checkout started",
    SessionOpened: "Payment page opened",
    SessionNotOpened: "Payment page could not be opened",
    PaymentFailed: "Payment failed",
    PaymentDeclined: "Payment declined",
    SessionExpired: "Checkout expired",
    SessionCancelled: "Checkout cancelled",
    HoldReleased: "Units released",
    ReleaseGivenUp: "Units released by hand",
    PaymentReceived: "Payment received",
    SessionPaid: "Checkout completed",
    OrderCreated: "Order placed",
    OrderPaid: "Order paid",
    RefundDue: "Refund due",
    PaymentGivenUp: "Refund by hand",
    PaymentRefunded: "Payment refunded",
    RefundReported: "Refund reported by the payment provider",
    OrderRefunded: "Order refunded",
}
_SELLER_EVENTS: Final = (SessionCreated, PaymentReceived, SessionPaid, OrderCreated, OrderPaid, OrderRefunded)


class TimelineRequest(Struct, frozen=True):
    """A request for the timeline of one order."""

    order_id: UUID


class Details(Struct, frozen=True, kw_only=True):
    """The details of an event; a field that does not apply to it is null or empty."""

    total: Money | None = None
    lines: list[OrderLine] = []
    pay_until: Timestamp | None = None
    reason: str | None = None
    """A sentence for people."""


class TimelineItem(Struct, frozen=True, kw_only=True):
    """One event. The correlation id and the trace id are for admins; to others they are null."""

    type: str
    title: str
    at: Timestamp
    event_id: UUID
    details: Details
    correlation_id: str | None
    trace_id: str | None


class OrderTimeline(Struct, frozen=True):
    """The events of an order and of its checkout, oldest first."""

    items: list[TimelineItem]


async def order_timeline(deps: Deps, caller: Caller, request: TimelineRequest) -> OrderTimeline:
    """Return the timeline of an order that the caller may see, with the details that the caller may see.

    Raises:
        NotFound: the order does not exist, or the caller may not see it (`order-not-found`).
    """
    await deps.auth.validate_user(caller)
    access = require_order_access(caller, await order_access(deps.database, request.order_id))
    keys = [str(access.session_id), str(request.order_id)]
    envelopes = await event_log.read_keys(deps.database, keys, limit=_MAX_EVENTS)
    sees_all = caller.role is Role.ADMIN or caller.account_id == access.buyer_id
    items = [
        _item(envelope, event, _details(event) if sees_all else _details_for_seller(event, access), caller.role)
        for envelope in envelopes
        if (event := decode_event(envelope)) is not None and (sees_all or isinstance(event, _SELLER_EVENTS))
    ]
    return OrderTimeline(items)


def _item(envelope: Envelope, event: Event, details: Details, role: Role | None) -> TimelineItem:
    is_admin = role is Role.ADMIN
    return TimelineItem(
        type=envelope.type,
        title=TITLES[type(event)],
        at=envelope.time,
        event_id=envelope.id,
        details=details,
        correlation_id=envelope.correlation_id if is_admin else None,
        trace_id=envelope.traceparent.split("-")[1] if is_admin else None,
    )


def _details(event: Event) -> Details:
    match event:
        case SessionCreated():
            return Details(total=event.total, lines=_lines(event.lines), pay_until=event.expires_at)
        case OrderCreated():
            return Details(total=event.total, lines=_lines(event.lines))
        case PaymentReceived() | SessionPaid() | OrderPaid() | RefundReported():
            return Details(total=event.total)
        case OrderRefunded() | RefundDue() | PaymentGivenUp() | PaymentRefunded():
            return Details(total=event.total, reason=reason_text(event.reason))
        case PaymentFailed() | PaymentDeclined() | SessionNotOpened() | SessionCancelled():
            return Details(reason=reason_text(event.reason))
        case _:
            return Details()


def _details_for_seller(event: Event, access: OrderAccess) -> Details:
    """Return the details without other shops; this shop's part of the session is the order."""
    match event:
        case SessionCreated():
            shop_lines = [line for line in event.lines if line.shop_id == access.shop_id]
            return Details(total=access.total, lines=_lines(shop_lines))
        case PaymentReceived() | SessionPaid():
            return Details(total=access.total)
        case _:
            return _details(event)


def _lines(lines: Sequence[PricedLine]) -> list[OrderLine]:
    return [OrderLine(line.product_id, line.title, line.quantity, line.unit_price) for line in lines]
