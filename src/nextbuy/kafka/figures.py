"""What events add to the figures of products and shops: pure sums, the same for the bus and for a log read again."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductAddedToBasket, ProductViewed
from nextbuy.contracts.seller import SellerRegistered
from nextbuy.contracts.values import Amount, Timestamp

Told = Iterable[tuple[Event, Envelope]]


class ProductHour(Struct, frozen=True):
    """What became of a product in an hour (UTC); `amount` in minor units."""

    product_id: UUID
    hour: Timestamp
    shop_id: UUID
    viewed: int
    added: int
    bought: int
    amount: Amount


class ProductDay(Struct, frozen=True):
    """What was sold of a product on a day (UTC); `amount` in minor units, `orders` in which it was."""

    day: date
    product_id: UUID
    shop_id: UUID
    units: int
    amount: Amount
    orders: int


class ShopDay(Struct, frozen=True):
    """What a shop did on a day (UTC); `amount` in minor units, `views` of its products' pages."""

    shop_id: UUID
    day: date
    orders: int
    units: int
    amount: Amount
    views: int


class BestSeller(Struct, frozen=True):
    """A product, and how many units of it were sold."""

    product_id: UUID
    shop_id: UUID
    units: int


class ProductSum(Struct, frozen=True):
    """What became of a product in some days; `amount` in minor units."""

    product_id: UUID
    viewed: int
    added: int
    bought: int
    amount: Amount


def hour_of(at: datetime) -> datetime:
    """Return the hour (UTC) that a time is in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def product_hours(told: Told) -> list[ProductHour]:
    """Add events up by product and hour, in the order of both."""
    sums: dict[tuple[UUID, datetime, UUID], list[int]] = {}

    def add(product_id: UUID, hour: datetime, shop_id: UUID, *numbers: int) -> None:
        _add(sums.setdefault((product_id, hour, shop_id), [0, 0, 0, 0]), numbers)

    for event, envelope in told:
        match event:
            case ProductViewed():
                add(event.product_id, hour_of(event.hour), event.shop_id, event.views, 0, 0, 0)
            case ProductAddedToBasket():
                add(event.product_id, hour_of(event.hour), event.shop_id, 0, event.times, 0, 0)
            case OrderCreated():
                for line in event.lines:
                    amount = line.unit_price.times(line.quantity).amount
                    add(line.product_id, hour_of(envelope.time), event.shop_id, 0, 0, line.quantity, amount)
    return [ProductHour(*key, *numbers) for key, numbers in sorted(sums.items())]


def product_days(told: Told) -> list[ProductDay]:
    """Add orders up by day and product, in the order of both."""
    sums: dict[tuple[date, UUID, UUID], list[int]] = {}
    for event, envelope in told:
        if isinstance(event, OrderCreated):
            day = envelope.time.astimezone(UTC).date()
            for line in event.lines:
                amount = line.unit_price.times(line.quantity).amount
                _add(sums.setdefault((day, line.product_id, event.shop_id), [0, 0, 0]), (line.quantity, amount, 0))
            for product_id in {line.product_id for line in event.lines}:
                sums[day, product_id, event.shop_id][2] += 1
    return [ProductDay(*key, *numbers) for key, numbers in sorted(sums.items())]


def shop_days(told: Told) -> list[ShopDay]:
    """Add events up by shop and day, in the order of both."""
    sums: dict[tuple[UUID, date], list[int]] = {}
    for event, envelope in told:
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


def shops_opened(told: Told) -> list[tuple[UUID, UUID]]:
    """Return the sellers who have opened a shop, and the shops, in order."""
    return sorted({(event.user_id, event.shop_id) for event, _ in told if isinstance(event, SellerRegistered)})


def _add(sums: list[int], numbers: Iterable[int]) -> None:
    for place, number in enumerate(numbers):
        sums[place] += number
