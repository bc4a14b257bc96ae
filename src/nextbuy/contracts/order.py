"""What order tells; nobody asks it anything."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Event
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money


class Address(Struct, frozen=True):
    """Where an order goes."""

    full_name: str
    line1: str
    city: str
    postal_code: str
    country: str


class OrderCreated(Event, topic="order.created", key="order_id"):
    """A basket was paid; this is one shop's part of it."""

    order_id: UUID
    number: str
    session_id: UUID
    buyer_id: UUID
    shop_id: UUID
    total: Money
    lines: list[PricedLine]


class OrderPaid(Event, topic="order.paid", key="order_id"):
    """The money for an order is there."""

    order_id: UUID
    session_id: UUID
    shop_id: UUID
    total: Money


class PaymentFailed(Event, topic="payment.failed", key="session_id"):
    """The card was declined; what was held can be bought again."""

    session_id: UUID
    buyer_id: UUID
    reason: str


class PaymentRefunded(Event, topic="payment.refunded", key="session_id"):
    """Money came that no goods could be given for, and went back."""

    session_id: UUID
    buyer_id: UUID
    total: Money
    reason: str


class SessionExpired(Event, topic="payment-session.expired", key="session_id"):
    """Nobody paid in time; what was held can be bought again."""

    session_id: UUID
    buyer_id: UUID
