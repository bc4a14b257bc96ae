"""Sums of events by topic, product and shop: pure functions, the same for live events and for a rebuild."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.order import OrderCreated, OrderRefunded
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Amount, Timestamp
from nextbuy.kit.events.inbound import InboundEvent

Events = Sequence[InboundEvent]


class TopicDay(Struct, frozen=True):
    """The events of a topic on a day (UTC) in one shop, or in no shop (null).

    `units` are the sold units of orders, or the views or basket additions that the events report. `amount` is that of
    orders when they are placed, or when they are refunded; a refund does not lower the sums of placed orders.
    """

    day: date
    topic: str
    shop_id: UUID | None
    events: int
    units: int
    amount: Amount


class ProductHour(Struct, frozen=True):
    """Views, basket additions and sold units of a product in an hour (UTC), and their revenue."""

    product_id: UUID
    hour: Timestamp
    shop_id: UUID
    viewed: int
    added: int
    bought: int
    amount: Amount


class ProductDay(Struct, frozen=True):
    """Sold units of a product on a day (UTC), their revenue, and the number of orders."""

    day: date
    product_id: UUID
    shop_id: UUID
    units: int
    amount: Amount
    orders: int


class ShopDay(Struct, frozen=True):
    """Orders, sold units, revenue and product views of a shop on a day (UTC)."""

    shop_id: UUID
    day: date
    orders: int
    units: int
    amount: Amount
    views: int


class ShopOwner(Struct, frozen=True):
    """A seller and a shop that they registered."""

    seller_id: UUID
    shop_id: UUID


class BestSeller(Struct, frozen=True):
    """A product and its sold units."""

    product_id: UUID
    shop_id: UUID
    units: int


class ProductTotal(Struct, frozen=True):
    """Views, basket additions and sold units of a product in a period, and their revenue."""

    product_id: UUID
    viewed: int
    added: int
    bought: int
    amount: Amount


def topic_days(events: Events) -> list[TopicDay]:
    """Sum events by day, topic and shop, sorted by these."""
    sums: dict[tuple[date, str, UUID | None], list[int]] = {}
    for inbound in events:
        event, envelope = inbound.event, inbound.envelope
        key = (envelope.time.date(), event.topic, getattr(event, "shop_id", None))
        counts = sums.setdefault(key, [0, 0, 0])
        counts[0] += 1
        if isinstance(event, OrderCreated):
            counts[1] += sum(line.quantity for line in event.lines)
            counts[2] += event.total.amount
        elif isinstance(event, OrderRefunded):
            counts[2] += event.total.amount
        elif isinstance(event, ProductViewed):
            counts[1] += event.views
        elif isinstance(event, ProductAddedToBasket):
            counts[1] += event.times
    rows = [TopicDay(*key, *counts) for key, counts in sums.items()]
    return sorted(rows, key=lambda row: (row.day, row.topic, str(row.shop_id)))


def product_hours(events: Events) -> list[ProductHour]:
    """Sum views, basket additions and sales by product and hour, sorted by these."""
    sums: dict[tuple[UUID, datetime, UUID], list[int]] = {}

    def add(product_id: UUID, hour: datetime, shop_id: UUID, *numbers: int) -> None:
        _add(sums.setdefault((product_id, hour, shop_id), [0, 0, 0, 0]), numbers)

    for inbound in events:
        event, envelope = inbound.event, inbound.envelope
        match event:
            case ProductViewed():
                add(event.product_id, _hour_of(event.hour), event.shop_id, event.views, 0, 0, 0)
            case ProductAddedToBasket():
                add(event.product_id, _hour_of(event.hour), event.shop_id, 0, event.times, 0, 0)
            case OrderCreated():
                for line in event.lines:
                    amount = line.unit_price.times(line.quantity).amount
                    add(line.product_id, _hour_of(envelope.time), event.shop_id, 0, 0, line.quantity, amount)
    return [ProductHour(*key, *numbers) for key, numbers in sorted(sums.items())]


def product_days(events: Events) -> list[ProductDay]:
    """Sum orders by day and product, sorted by these."""
    sums: dict[tuple[date, UUID, UUID], list[int]] = {}
    for inbound in events:
        event, envelope = inbound.event, inbound.envelope
        if isinstance(event, OrderCreated):
            day = envelope.time.astimezone(UTC).date()
            for line in event.lines:
                amount = line.unit_price.times(line.quantity).amount
                _add(sums.setdefault((day, line.product_id, event.shop_id), [0, 0, 0]), (line.quantity, amount, 0))
            for product_id in {line.product_id for line in event.lines}:
                sums[day, product_id, event.shop_id][2] += 1
    return [ProductDay(*key, *numbers) for key, numbers in sorted(sums.items())]


def shop_days(events: Events) -> list[ShopDay]:
    """Sum orders and views by shop and day, sorted by these."""
    sums: dict[tuple[UUID, date], list[int]] = {}
    for inbound in events:
        event, envelope = inbound.event, inbound.envelope
        match event:
            case ProductViewed():
                day, numbers = event.hour.astimezone(UTC).date(), (0, 0, 0, event.views)
            case OrderCreated():
                day = envelope.time.astimezone(UTC).date()
                numbers = (1, sum(line.quantity for line in event.lines), event.total.amount, 0)
            case _:
                continue
        _add(sums.setdefault((event.shop_id, day), [0, 0, 0, 0]), numbers)
    return [ShopDay(*key, *numbers) for key, numbers in sorted(sums.items())]


def shop_owners(events: Events) -> list[ShopOwner]:
    """Return sellers and their registered shops, sorted by both."""
    owners = {(each.event.user_id, each.event.shop_id) for each in events if isinstance(each.event, SellerRegistered)}
    return [ShopOwner(*owner) for owner in sorted(owners)]


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _add(sums: list[int], numbers: Iterable[int]) -> None:
    for index, number in enumerate(numbers):
        sums[index] += number
