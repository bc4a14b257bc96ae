"""The order service: its events, and the call that reads its event log.

The events of a payment session and of its orders describe every transition, so `order/restoration.py` can restore the
rows of both from them. They hold no postal address and no name, because nothing is deleted from an event log.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.checks import require_events
from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.money import format_money
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import (
    MAX_INTEGER,
    MAX_LINES,
    BatchLimit,
    BuyerId,
    LogPosition,
    Money,
    OrderId,
    OrderNumber,
    PaymentId,
    PersonName,
    ProviderId,
    ReasonText,
    SellerId,
    SessionId,
    ShopId,
    Timestamp,
    Topics,
)

OwnOrSecondPaymentId = Annotated[
    ProviderId, Meta(description="The provider's payment: the checkout's own, or a second one for it.")
]
MAX_PROVIDER_TEXT: Final = 1_000
"""Characters of a text of the payment provider; a longer one is cut."""
ProviderText = Annotated[str, Meta(max_length=MAX_PROVIDER_TEXT)]
"""A reason as a code, or in the payment provider's own words."""
GiveUpNote = Annotated[ReasonText, Meta(description="Why, in the admin's words.")]
DeclineCode = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[a-z0-9_-]+\Z",
        description="The payment provider's code for the decline.",
        examples=["card_declined"],
        extra={"invalid": "Not a code. Use a-z, 0-9, _ and -."},
    ),
]
RefundReason = Annotated[ProviderText, Meta(description="The code of the reason.", examples=["sold-out"])]


class Reason(StrEnum):
    """Codes for why a checkout ended without orders, or why a payment is refunded."""

    CANCELLED = "cancelled"
    DECLINED = "declined"
    LATE = "late"
    NOT_COMPLETED = "not-completed"
    REFUNDED_EARLY = "refunded-by-provider"
    """The provider reported the refund before the payment."""
    REFUNDED_LATE = "order-refunded"
    """The provider reported the refund after the orders were created."""
    REPLACED = "replaced"
    """The buyer has started another checkout."""
    SOLD_OUT = "sold-out"
    UNMATCHED = "unmatched"
    WRONG_AMOUNT = "wrong-amount"


_REASON_TEXTS: Final[Mapping[str, str]] = {
    Reason.CANCELLED: "The checkout was cancelled.",
    Reason.DECLINED: "The card was declined.",
    "card_declined": "The card was declined.",
    "expired_card": "The card has expired.",
    "insufficient_funds": "There is not enough money on the card.",
    Reason.LATE: "The payment was not made in time.",
    Reason.NOT_COMPLETED: "The order could not be completed.",
    Reason.REFUNDED_EARLY: "The payment provider refunded the payment before the order was placed.",
    Reason.REFUNDED_LATE: "The payment provider refunded the payment after the order was placed.",
    Reason.REPLACED: "The checkout was replaced by a newer one.",
    Reason.SOLD_OUT: "The products are sold out.",
    Reason.UNMATCHED: "No open checkout matches this payment.",
    Reason.WRONG_AMOUNT: "The amount paid is not the total of the checkout.",
}


def reason_text(reason: str) -> str:
    """Return a reason as a sentence for people; the payment provider's own words are returned unchanged."""
    return _REASON_TEXTS.get(reason, reason)


class LastDecline(Struct, frozen=True):
    """The last declined card of a checkout: a code, such as `card_declined`, and when."""

    code: DeclineCode
    at: Timestamp


class Address(Struct, frozen=True):
    """The postal address that an order is shipped to."""

    full_name: PersonName
    line1: Annotated[str, Meta(examples=["12 Harbour Street"])]
    city: Annotated[str, Meta(examples=["Portland"])]
    postal_code: Annotated[str, Meta(examples=["97201"])]
    country: Annotated[str, Meta(examples=["US"])]


class ReadOrderEvents(Call[EventsRead], to="order", name="read-order-events", callers=("analytics",), idempotent=True):
    """Read up to 1,000 events of order's event log after a position, of all topics or those named."""

    after: LogPosition
    limit: BatchLimit
    topics: Topics | None = None


class SoldLine(PricedLine, frozen=True):
    """A priced line with the seller of its shop."""

    seller_id: UUID

    def priced(self) -> PricedLine:
        """Return the line without its seller."""
        return PricedLine(self.product_id, self.shop_id, self.title, self.quantity, self.unit_price)

    @property
    def total(self) -> Money:
        """The price of all units."""
        return self.unit_price.times(self.quantity)


class _SessionEvent(Event):
    """The fields that every event about a payment session has."""

    session_id: SessionId
    buyer_id: BuyerId


class SessionCreated(_SessionEvent, topic="payment-session.created", key="session_id"):
    """A basket was priced, and its checkout started."""

    total: Annotated[Money, Meta(description="The sum of the lines.")]
    lines: Annotated[
        list[SoldLine],
        Meta(max_length=MAX_LINES, description="Products, quantities and prices, with the seller of each."),
    ]
    expires_at: Annotated[Timestamp, Meta(description="The end of the time to pay, until which the units are held.")]


class SessionOpened(_SessionEvent, topic="payment-session.opened", key="session_id"):
    """The units of a checkout are held, and its payment page is open."""

    payment_id: PaymentId
    payment_url: Annotated[
        str,
        Meta(
            max_length=5_000,
            description="The payment page.",
            examples=["http://127.0.0.1:8080/simulator/api/pay/pay_1"],
        ),
    ]


class SessionNotOpened(_SessionEvent, topic="payment-session.not-opened", key="session_id"):
    """The units of a checkout could not be held, or its payment page could not be opened."""

    reason: Annotated[str, Meta(max_length=200, description="The slug of the problem.")]
    release_due: Annotated[bool, Meta(description="Whether units may be held, so that they will be released.")]


class SessionPaid(_SessionEvent, topic="payment-session.paid", key="session_id"):
    """A checkout was completed: its units are sold, and it has one order per shop."""

    total: Annotated[Money, Meta(description="The amount paid for all orders.")]
    order_ids: Annotated[
        list[UUID], Meta(max_length=MAX_LINES, description="The orders of this checkout, one per shop.")
    ]


class OrderCreated(Event, topic="order.created", key="order_id"):
    """A checkout was paid; this order is the part of one shop."""

    order_id: OrderId
    number: OrderNumber
    session_id: SessionId
    buyer_id: BuyerId
    shop_id: ShopId
    total: Annotated[Money, Meta(description="The amount paid for this order.")]
    lines: Annotated[
        list[PricedLine],
        Meta(max_length=MAX_LINES, description="Products, quantities and prices at the time of the order."),
    ]
    seller_id: SellerId


class OrderPaid(Event, topic="order.paid", key="order_id"):
    """An order is paid."""

    order_id: OrderId
    session_id: SessionId
    shop_id: ShopId
    total: Annotated[Money, Meta(description="The amount paid for this order.")]


class OrderRefunded(Event, topic="order.refunded", key="order_id"):
    """The payment of a paid order was refunded in full; the order must not be shipped."""

    order_id: OrderId
    number: OrderNumber
    session_id: SessionId
    buyer_id: BuyerId
    shop_id: ShopId
    seller_id: SellerId
    total: Annotated[Money, Meta(description="The amount refunded of this order, which is all of it.")]
    reason: RefundReason


class PaymentReceived(_SessionEvent, topic="payment.received", key="session_id"):
    """The payment of a checkout arrived; orders or a refund will follow."""

    payment_id: PaymentId
    total: Annotated[Money, Meta(description="The amount received, which may differ from the checkout's total.")]
    serial: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_INTEGER)] | None,
        Meta(description="The serial number that order numbers are derived from; null if the amount is wrong."),
    ]


class PaymentFailed(_SessionEvent, topic="payment.failed", key="session_id"):
    """The payment can no longer succeed; the units become available again."""

    reason: Annotated[ProviderText, Meta(description="`declined`, or the provider's own words.")]


class PaymentDeclined(_SessionEvent, topic="payment.declined", key="session_id"):
    """A card was declined; the checkout stays open for another."""

    declines: Annotated[int, Meta(ge=1, le=MAX_INTEGER, description="The number of declined cards so far.")]
    reason: DeclineCode


class RefundDue(_SessionEvent, topic="payment.refund-due", key="session_id"):
    """A payment will be refunded: the checkout's own, or a second one for the same checkout."""

    payment_id: OwnOrSecondPaymentId
    total: Annotated[Money, Meta(description="The amount to refund.")]
    reason: RefundReason


class PaymentGivenUp(_SessionEvent, topic="payment.given-up", key="session_id"):
    """An admin ended the attempts to complete a checkout or to refund a payment, which is then done by hand."""

    payment_id: OwnOrSecondPaymentId
    total: Annotated[Money, Meta(description="The amount received.")]
    reason: RefundReason
    note: GiveUpNote


class PaymentRefunded(_SessionEvent, topic="payment.refunded", key="session_id"):
    """A payment was refunded in full."""

    total: Annotated[Money, Meta(description="The amount refunded.")]
    reason: RefundReason
    payment_id: OwnOrSecondPaymentId
    refund_id: Annotated[
        ProviderId | None, Meta(description="The provider's refund; null if the provider refunded without our request.")
    ] = None


class RefundReported(_SessionEvent, topic="payment.refund-reported", key="session_id"):
    """The provider refunded a part of a payment, or a payment that it has not reported yet; no order changes."""

    payment_id: OwnOrSecondPaymentId
    total: Annotated[Money, Meta(description="The amount refunded of this payment so far.")]


class SessionExpired(_SessionEvent, topic="payment-session.expired", key="session_id"):
    """A checkout was not paid in time; its units become available again."""


class SessionCancelled(_SessionEvent, topic="payment-session.cancelled", key="session_id"):
    """A buyer cancelled a checkout or replaced it by another; its units become available again, or are in the other."""

    reason: Annotated[str, Meta(max_length=100, description="`cancelled` or `replaced`.", examples=["cancelled"])]


class HoldReleased(_SessionEvent, topic="payment-session.hold-released", key="session_id"):
    """The units of a checkout without a valid payment are available again."""


class ReleaseGivenUp(_SessionEvent, topic="payment-session.release-given-up", key="session_id"):
    """An admin ended the attempts to release the units of a checkout; the stock is corrected by hand."""

    note: GiveUpNote


class _UnmatchedPaymentEvent(Event):
    """The fields that every event about a payment without a checkout has."""

    payment_id: PaymentId
    total: Annotated[Money, Meta(description="The amount received.")]
    session_id: Annotated[UUID | None, Meta(description="The unknown checkout that the payment names, if any.")]
    reason: RefundReason


class PaymentUnmatched(_UnmatchedPaymentEvent, topic="payment.unmatched", key="payment_id"):
    """A payment arrived that names no known checkout; it will be refunded."""


class UnmatchedPaymentGivenUp(_UnmatchedPaymentEvent, topic="payment.unmatched-given-up", key="payment_id"):
    """An admin ended the attempts to refund a payment that names no known checkout, which is then done by hand."""

    note: GiveUpNote


class UnmatchedRefundReported(_UnmatchedPaymentEvent, topic="payment.unmatched-refund-reported", key="payment_id"):
    """The provider refunded a part of a payment that names no known checkout; no order changes."""


class UnmatchedPaymentRefunded(_UnmatchedPaymentEvent, topic="payment.unmatched-refunded", key="payment_id"):
    """A payment that names no known checkout was refunded in full."""

    refund_id: Annotated[
        ProviderId, Meta(description="The provider's refund, or the event in which it reported its own.")
    ]


def order_summary(event: OrderCreated) -> str:
    """Return the number of an order, its units and its total, for people."""
    units = sum(line.quantity for line in event.lines)
    return f"{event.number}: {units} item{'' if units == 1 else 's'}, {format_money(event.total)}"


class OrderClient(Client):
    """A client of the order service."""

    service: ClassVar[str] = "order"

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of order's event log, in order."""
        check = partial(require_events, service=self.service, after=after, limit=limit, topics=topics)
        return await self._send(ReadOrderEvents(after=after, limit=limit, topics=topics), check)
