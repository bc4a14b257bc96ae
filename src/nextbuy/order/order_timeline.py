"""GET /order/api/order-timeline/{order_id}: how an order came about, as the event log tells it.

The buyer and admins are told all of the order, and of the payment session that it came of. The seller of its shop is
told what concerns the shop: not the lines and amounts of others, and not how the buyer came to pay.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

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
)
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import (
    Money,
    Role,
    Timestamp,
)
from nextbuy.kit.events import event_log
from nextbuy.kit.http.caller import Caller
from nextbuy.order.access import require_order_access
from nextbuy.order.deps import Deps
from nextbuy.order.history import read
from nextbuy.order.store.orders import OrderLine, OrderOwned, order_owned

_MOST: Final = 200
"""So many events of one order are shown; there are nine where all goes well."""

TITLES: Final[dict[type[Event], str]] = {
    SessionCreated: "Basket taken to the checkout",
    SessionOpened: "Payment page opened",
    SessionNotOpened: "Payment page could not be opened",
    PaymentFailed: "Payment declined",
    SessionExpired: "Time to pay ran out",
    PaymentReceived: "Payment received",
    SessionPaid: "Goods set aside",
    OrderCreated: "Order placed",
    OrderPaid: "Order paid",
    RefundDue: "Payment will be returned",
    PaymentRefunded: "Payment returned",
}
_FOR_THE_SELLER: Final = (SessionCreated, PaymentReceived, SessionPaid, OrderCreated, OrderPaid)


class TimelineAsked(Struct, frozen=True):
    """Of which order."""

    order_id: UUID


class Details(Struct, frozen=True, kw_only=True):
    """What more there is to say; null or empty where there is nothing."""

    total: Money | None = None
    lines: list[OrderLine] = []
    pay_until: Timestamp | None = None
    reason: str | None = None


class TimelineItem(Struct, frozen=True, kw_only=True):
    """One thing that happened; the ids by which logs and traces are searched are for admins alone, else null."""

    type: str
    title: str
    at: Timestamp
    event_id: UUID
    details: Details
    correlation_id: str | None
    trace_id: str | None


class OrderTimeline(Struct, frozen=True):
    """All that happened, in order."""

    items: list[TimelineItem]


async def order_timeline(deps: Deps, caller: Caller, request: TimelineAsked) -> OrderTimeline:
    """Return the life of an order that is the caller's to see.

    Raises:
        NotFound: it is not there, or not the caller's to see.
    """
    await deps.auth.validate_user(caller.token)
    owned = require_order_access(caller, await order_owned(deps.database, request.order_id))
    keys = [str(owned.session_id), str(request.order_id)]
    envelopes = await event_log.of_keys(deps.database, keys, limit=_MOST)
    whole = caller.role is Role.ADMIN or caller.account_id == owned.buyer_id
    items = [
        _item(envelope, event, _details(event) if whole else _details_for_the_seller(event, owned), caller.role)
        for envelope in envelopes
        if (event := read(envelope)) is not None and (whole or isinstance(event, _FOR_THE_SELLER))
    ]
    return OrderTimeline(items)


def _item(envelope: Envelope, event: Event, details: Details, role: Role | None) -> TimelineItem:
    support = role is Role.ADMIN
    return TimelineItem(
        type=envelope.type,
        title=TITLES[type(event)],
        at=envelope.time,
        event_id=envelope.id,
        details=details,
        correlation_id=envelope.correlation_id if support else None,
        trace_id=envelope.traceparent.split("-")[1] if support else None,
    )


def _details(event: Event) -> Details:
    match event:
        case SessionCreated():
            return Details(total=event.total, lines=_lines(event.lines), pay_until=event.expires_at)
        case OrderCreated():
            return Details(total=event.total, lines=_lines(event.lines))
        case PaymentReceived() | SessionPaid() | OrderPaid():
            return Details(total=event.total)
        case RefundDue() | PaymentRefunded():
            return Details(total=event.total, reason=event.reason)
        case PaymentFailed() | SessionNotOpened():
            return Details(reason=event.reason)
        case _:
            return Details()


def _details_for_the_seller(event: Event, owned: OrderOwned) -> Details:
    """Return the same, of one shop: all of its part of the session became this order."""
    match event:
        case SessionCreated():
            own = [line for line in event.lines if line.shop_id == owned.shop_id]
            return Details(total=owned.total, lines=_lines(own))
        case PaymentReceived() | SessionPaid():
            return Details(total=owned.total)
        case _:
            return _details(event)


def _lines(lines: Sequence[PricedLine]) -> list[OrderLine]:
    return [OrderLine(line.product_id, line.title, line.quantity, line.unit_price) for line in lines]
