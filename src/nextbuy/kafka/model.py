"""What an event means to people, and what it counts for."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated, PaymentRefunded
from nextbuy.contracts.product import ProductPending
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Money


class Figure(Struct, frozen=True):
    """How often something happened on a day, in one shop or (null) where no shop is named; amounts in minor units."""

    day: date
    topic: str
    shop_id: UUID | None
    events: int
    units: int
    amount: int


class OfDeadLetter(Struct, frozen=True):
    """Which dead letter."""

    id: UUID


def _written(money: Money) -> str:
    return f"{money.amount / 100:,.2f} {money.currency}"


def notice(event: Event, event_id: UUID) -> CreateNotification | None:
    """Return what the admins are to be told of an event, or None where they need not know."""
    match event:
        case ProductPending():
            kind, title = "product-pending", "A product waits for approval"
            why = f" ({', '.join(event.rules)})" if event.rules else ""
            message = f"“{event.title}” scored {event.score} of 100{why}."
            link = "/admin/api/get-pending-products"
        case SellerRegistered():
            kind, title = "seller-registered", "A seller waits for approval"
            message, link = f"The shop “{event.shop_name}” was opened.", "/admin/api/get-pending-sellers"
        case OrderCreated():
            kind, title = "order-created", "A new order"
            units = sum(line.quantity for line in event.lines)
            message = f"Order {event.number}: {units} unit{'' if units == 1 else 's'}, {_written(event.total)}."
            link = f"/order/api/order-details/{event.order_id}"
        case PaymentRefunded():
            kind, title = "payment-refunded", "A payment was refunded"
            message, link = f"{_written(event.total)} went back: {event.reason}.", ""
        case _:
            return None
    return CreateNotification(source_event_id=event_id, kind=kind, title=title, message=message, link=link)


def figures(events: Iterable[tuple[Event, Envelope]]) -> list[Figure]:
    """Add events up, by day (UTC), topic and shop."""
    sums: dict[tuple[date, str, UUID | None], list[int]] = {}
    for event, envelope in events:
        key = (envelope.time.date(), event.topic, getattr(event, "shop_id", None))
        counted = sums.setdefault(key, [0, 0, 0])
        counted[0] += 1
        if isinstance(event, OrderCreated):
            counted[1] += sum(line.quantity for line in event.lines)
            counted[2] += event.total.amount
    return [Figure(*key, *counted) for key, counted in sums.items()]
