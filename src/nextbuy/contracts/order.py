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


class OrderCreated(Event, topic="order.created", key="order_id", schema_version=2):
    """A basket was paid; this is one shop's part of it."""

    order_id: UUID
    """The order: one shop's part of what was paid."""
    number: str
    """What people call the order."""
    session_id: UUID
    """The payment that it came of; several orders may share it."""
    buyer_id: UUID
    """The account of who bought."""
    shop_id: UUID
    """The shop that sells."""
    total: Money
    """What was paid for this order."""
    lines: list[PricedLine]
    """What was bought, at the prices of then."""
    seller_id: UUID | None = None
    """The account of who sells; null from a sender of version 1."""


class OrderPaid(Event, topic="order.paid", key="order_id"):
    """The money for an order is there."""

    order_id: UUID
    """The order: one shop's part of what was paid."""
    session_id: UUID
    """The payment that it came of; several orders may share it."""
    shop_id: UUID
    """The shop that sells."""
    total: Money
    """What was paid for this order."""


class PaymentFailed(Event, topic="payment.failed", key="session_id"):
    """The card was declined; what was held can be bought again."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""
    reason: str
    """Why, in the provider's words."""


class PaymentRefunded(Event, topic="payment.refunded", key="session_id"):
    """Money came that no goods could be given for, and went back."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""
    total: Money
    """What went back."""
    reason: str
    """Why nothing could be given for it."""


class SessionExpired(Event, topic="payment-session.expired", key="session_id"):
    """Nobody paid in time; what was held can be bought again."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""
