"""What order tells; nobody asks it anything but what it has told.

The events of a session, and of the orders that come of it, tell its whole life: `order/history.py` makes it again out
of them. No address and no name is in any of them, for a log that only grows forgets nobody.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import (
    BatchLimit,
    BuyerId,
    Money,
    OrderId,
    OrderNumber,
    PaymentId,
    PersonName,
    ReasonText,
    SessionId,
    ShopId,
    Timestamp,
)


class Address(Struct, frozen=True):
    """Where an order goes."""

    full_name: PersonName
    line1: Annotated[str, Meta(examples=["12 Harbour Street"])]
    city: Annotated[str, Meta(examples=["Portland"])]
    postal_code: Annotated[str, Meta(examples=["97201"])]
    country: Annotated[str, Meta(examples=["US"])]


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

    session_id: SessionId
    buyer_id: BuyerId
    total: Annotated[Money, Meta(description="What its lines come to.")]
    lines: Annotated[list[SoldLine], Meta(description="What is to be bought, at the prices of now, and from whom.")]
    expires_at: Annotated[Timestamp, Meta(description="Until when its goods are held and it can be paid.")]


class SessionOpened(Event, topic="payment-session.opened", key="session_id"):
    """Its units are held, and there is a page to pay it on."""

    session_id: SessionId
    buyer_id: BuyerId
    payment_id: PaymentId


class SessionNotOpened(Event, topic="payment-session.not-opened", key="session_id"):
    """Its units could not be held, or no page to pay it on could be made."""

    session_id: SessionId
    buyer_id: BuyerId
    reason: Annotated[str, Meta(description="Why, as a problem's slug.")]


class SessionPaid(Event, topic="payment-session.paid", key="session_id"):
    """Its goods are the buyer's: it became these orders, one for each shop."""

    session_id: SessionId
    buyer_id: BuyerId
    total: Annotated[Money, Meta(description="What was paid for all of it.")]
    order_ids: Annotated[list[UUID], Meta(description="The orders that it became, one for each shop.")]


class OrderCreated(Event, topic="order.created", key="order_id"):
    """A basket was paid; this is one shop's part of it."""

    order_id: OrderId
    number: OrderNumber
    session_id: SessionId
    buyer_id: BuyerId
    shop_id: ShopId
    total: Annotated[Money, Meta(description="What was paid for this order.")]
    lines: Annotated[list[PricedLine], Meta(description="What was bought, at the prices of then.")]
    seller_id: Annotated[UUID | None, Meta(description="The seller's account; null in version 1.")] = None


class OrderPaid(Event, topic="order.paid", key="order_id"):
    """The money for an order is there."""

    order_id: OrderId
    session_id: SessionId
    shop_id: ShopId
    total: Annotated[Money, Meta(description="What was paid for this order.")]


class PaymentReceived(Event, topic="payment.received", key="session_id"):
    """The money that a session was waiting for is there; orders follow from it, or a refund."""

    session_id: SessionId
    buyer_id: BuyerId
    payment_id: PaymentId
    total: Annotated[Money, Meta(description="What came, which may be another amount than the session's.")]


class PaymentFailed(Event, topic="payment.failed", key="session_id"):
    """The card was declined; what was held can be bought again."""

    session_id: SessionId
    buyer_id: BuyerId
    reason: Annotated[str, Meta(description="Why, in the provider's words.")]


class RefundDue(Event, topic="payment.refund-due", key="session_id"):
    """Money came that no goods can be given for: it will go back. It may be a second payment for the session."""

    session_id: SessionId
    buyer_id: BuyerId
    payment_id: Annotated[str, Meta(description="The provider's payment: the session's own, or a second one for it.")]
    total: Annotated[Money, Meta(description="What is to go back.")]
    reason: Annotated[ReasonText, Meta(description="Why nothing can be given for it.")]


class PaymentRefunded(Event, topic="payment.refunded", key="session_id"):
    """Money came that no goods could be given for, and went back; without a `payment_id` it was the session's own."""

    session_id: SessionId
    buyer_id: BuyerId
    total: Annotated[Money, Meta(description="What went back.")]
    reason: Annotated[ReasonText, Meta(description="Why nothing could be given for it.")]
    payment_id: Annotated[str, Meta(description="The provider's payment; empty: the session's own.")] = ""
    refund_id: Annotated[str | None, Meta(description="The provider's refund, where it was us who asked for it.")] = (
        None
    )


class SessionExpired(Event, topic="payment-session.expired", key="session_id"):
    """Nobody paid in time; what was held can be bought again."""

    session_id: SessionId
    buyer_id: BuyerId


class OrderClient(Client):
    """Speaks to order."""

    service: ClassVar[str] = "order"

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of order's event log."""
        return await self._send(ReadOrderEvents(after=after, limit=limit, topics=topics))
