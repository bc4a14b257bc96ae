"""What order tells; nobody asks it anything but what it has told.

The events of a session, and of the orders that come of it, tell its whole life: `order/history.py` makes it again out
of them. No address and no name is in any of them, for a log that only grows forgets nobody.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import BatchLimit, Money


class Address(Struct, frozen=True):
    """Where an order goes."""

    full_name: str
    line1: str
    city: str
    postal_code: str
    country: str


class ReadOrderEvents(Call[EventsRead], to="order", name="read-order-events", callers=("kafka",), idempotent=True):
    """What has order published behind a position of its log (at most 1,000 events, of these topics)?"""

    after: int
    limit: BatchLimit
    topics: list[str] | None = None


class SoldLine(PricedLine, frozen=True):
    """A priced line, and whose shop it is from."""

    seller_id: UUID

    @property
    def total(self) -> Money:
        """What all of its units cost."""
        return self.unit_price.times(self.quantity)


class SessionCreated(Event, topic="payment-session.created", key="session_id"):
    """A basket was priced, and is on its way to be paid until `expires_at`."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who is to pay."""
    total: Money
    """What its lines come to."""
    lines: list[SoldLine]
    """What is to be bought, at the prices of now, and from whom."""
    expires_at: datetime
    """Until when its goods are held and it can be paid."""


class SessionOpened(Event, topic="payment-session.opened", key="session_id"):
    """Its units are held, and there is a page to pay it on."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who is to pay."""
    payment_id: str
    """The provider's payment."""


class SessionNotOpened(Event, topic="payment-session.not-opened", key="session_id"):
    """Its units could not be held, or no page to pay it on could be made."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who is to pay."""
    reason: str
    """Why, as a problem's slug."""


class SessionPaid(Event, topic="payment-session.paid", key="session_id"):
    """Its goods are the buyer's: it became these orders, one for each shop."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who bought."""
    total: Money
    """What was paid for all of it."""
    order_ids: list[UUID]
    """The orders that it became, one for each shop."""


class OrderCreated(Event, topic="order.created", key="order_id"):
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


class PaymentReceived(Event, topic="payment.received", key="session_id"):
    """The money that a session was waiting for is there; orders follow from it, or a refund."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who paid."""
    payment_id: str
    """The provider's payment."""
    total: Money
    """What came, which may be another amount than the session's."""


class PaymentFailed(Event, topic="payment.failed", key="session_id"):
    """The card was declined; what was held can be bought again."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""
    reason: str
    """Why, in the provider's words."""


class RefundDue(Event, topic="payment.refund-due", key="session_id"):
    """Money came that no goods can be given for: it will go back. It may be a second payment for the session."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who paid."""
    payment_id: str
    """The provider's payment: the session's own, or a second one for it."""
    total: Money
    """What is to go back."""
    reason: str
    """Why nothing can be given for it."""


class PaymentRefunded(Event, topic="payment.refunded", key="session_id"):
    """Money came that no goods could be given for, and went back; without a `payment_id` it was the session's own."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""
    total: Money
    """What went back."""
    reason: str
    """Why nothing could be given for it."""
    payment_id: str = ""
    """The provider's payment: the session's own, or a second one for it. Empty: the session's own."""
    refund_id: str | None = None
    """The provider's refund, where it was us who asked for it."""


class SessionExpired(Event, topic="payment-session.expired", key="session_id"):
    """Nobody paid in time; what was held can be bought again."""

    session_id: UUID
    """The payment."""
    buyer_id: UUID
    """The account of who was to pay."""


class OrderClient(Client):
    """Speaks to order."""

    service: ClassVar[str] = "order"

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of order's event log."""
        return await self._send(ReadOrderEvents(after=after, limit=limit, topics=topics))
