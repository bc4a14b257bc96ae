"""The states of a payment session, the price of its basket, and its orders.

::

    opening                        ─ opened ────────────────> open
    opening                        ─ not opened ────────────> failed
    opening, open                  ─ payment failed ────────> failed
    open                           ─ declined ──────────────> open
    opening, open                  ─ expired ───────────────> expired
    open                           ─ cancelled ─────────────> cancelled
    opening, open, failed, expired ─ payment received ──────> paying ─ stock committed ─> paid
    opening, open, failed, expired ─ wrong amount received ─> refund-due ─ refunded ─> refunded
    opening, open, failed, expired ─ refunded early ────────> refunded
    paid                           ─ refunded late ─────────> refunded
    paying                         ─ sold out ──────────────> refund-due
    paying, refund-due             ─ given up ──────────────> given-up ─ refunded ─> refunded
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Conflict, NotFound, Unavailable, Unprocessable
from nextbuy.contracts.order import LastDecline, SoldLine
from nextbuy.contracts.product import Line, PricedLine, QuotedLine, merge_lines
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import MAX_QUANTITY, Money, Quantity, total

TooManyUnits: Final = Unprocessable.of(
    "too-many-units", "Too many units of one product. Order at most 1,000 at a time."
)
ShopClosed: Final = Conflict.of("shop-closed", "A shop is closed. Remove its products from your basket.")
MixedCurrencies: Final = Conflict.of(
    "mixed-currencies", "These products are priced in different currencies. Order them separately."
)
OrderNotFound: Final = NotFound.of("order-not-found", "Order not found.")
SessionNotFound: Final = NotFound.of("session-not-found", "Payment session not found.")
CheckoutExpired: Final = Conflict.of(
    "session-expired", "Opening the payment page took too long. Place the order again."
)
NoOpenSession: Final = NotFound.of("no-open-session", "You have no open checkout. Start one from your basket.")
AlreadyPaid: Final = Conflict.of(
    "already-paid", "This checkout is paid. Its orders are in your list of orders, or will be there in a moment."
)
HoldLimit: Final = Conflict.of("hold-limit", "The items cannot be reserved for you. Choose fewer.")
OrderDelayed: Final = Unavailable.of(
    "order-delayed", "The payment is recorded. Its order follows when a needed service is available again."
)
RefundDelayed: Final = Unavailable.of(
    "refund-delayed", "The checkout of this payment is being completed. Send the event again later."
)
TooManyEvents: Final = Conflict.of("too-many-events", "These sessions have too many events. Request a smaller page.")
RestoreRunning: Final = Conflict.of("restore-running", "Another restore is running. Wait until it ends.")


class State(StrEnum):
    """The states of a payment session."""

    OPENING = "opening"
    """Stored, so that held stock belongs to a session; the payment page is not open yet."""
    OPEN = "open"
    PAYING = "paying"
    """The payment has arrived; orders or a refund will follow in any case."""
    PAID = "paid"
    REFUND_DUE = "refund-due"
    GIVEN_UP = "given-up"
    """An admin ended the attempts to complete or refund it, which is then done by hand."""
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its buyer cancelled or replaced it. A payment that arrives later is unmatched, and refunded."""


class Transition(StrEnum):
    """The transitions of a payment session."""

    CREATED = "created"
    OPENED = "opened"
    NOT_OPENED = "not opened"
    PAYMENT_FAILED = "payment failed"
    """The provider will not report a payment any more."""
    DECLINED = "declined"
    """A card was declined; the next may succeed."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PAYMENT_RECEIVED = "payment received"
    WRONG_AMOUNT_RECEIVED = "wrong amount received"
    STOCK_COMMITTED = "stock committed"
    SOLD_OUT = "sold out"
    GIVEN_UP = "given up"
    REFUNDED = "refunded"
    REFUNDED_EARLY = "refunded early"
    """A payment arrived that the provider had refunded before."""
    REFUNDED_LATE = "refunded late"
    """The provider refunded a payment that has orders."""


_UNPAID: Final = (State.OPENING, State.OPEN, State.FAILED, State.EXPIRED)
TRANSITIONS: Final[Mapping[Transition, tuple[tuple[State, ...], State]]] = {
    Transition.CREATED: ((), State.OPENING),
    Transition.OPENED: ((State.OPENING,), State.OPEN),
    Transition.NOT_OPENED: ((State.OPENING,), State.FAILED),
    Transition.PAYMENT_FAILED: ((State.OPENING, State.OPEN), State.FAILED),
    Transition.DECLINED: ((State.OPEN,), State.OPEN),
    Transition.EXPIRED: ((State.OPENING, State.OPEN), State.EXPIRED),
    Transition.CANCELLED: ((State.OPEN,), State.CANCELLED),
    Transition.PAYMENT_RECEIVED: (_UNPAID, State.PAYING),
    Transition.WRONG_AMOUNT_RECEIVED: (_UNPAID, State.REFUND_DUE),
    Transition.STOCK_COMMITTED: ((State.PAYING,), State.PAID),
    Transition.SOLD_OUT: ((State.PAYING,), State.REFUND_DUE),
    Transition.GIVEN_UP: ((State.PAYING, State.REFUND_DUE), State.GIVEN_UP),
    Transition.REFUNDED: ((State.REFUND_DUE, State.GIVEN_UP), State.REFUNDED),
    Transition.REFUNDED_EARLY: (_UNPAID, State.REFUNDED),
    Transition.REFUNDED_LATE: ((State.PAID,), State.REFUNDED),
}
"""Allowed source states and the resulting state. Anything else changes nothing."""

PublicStatus = Literal["open", "paid", "failed", "expired", "cancelled", "refunded"]
PUBLIC_STATUS: Final[Mapping[State, PublicStatus]] = {
    State.OPENING: "open",
    State.OPEN: "open",
    State.PAYING: "open",
    State.PAID: "paid",
    State.REFUND_DUE: "open",
    State.GIVEN_UP: "open",
    State.REFUNDED: "refunded",
    State.FAILED: "failed",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
}
"""The status that a buyer sees: `open` until the session has reached a final state."""


def source_states(transition: Transition) -> tuple[State, ...]:
    """Return the states that a transition may start from."""
    return TRANSITIONS[transition][0]


def target_state(transition: Transition) -> State:
    """Return the state that a transition leads to."""
    return TRANSITIONS[transition][1]


NOT_CLAIMED: Final = datetime.min.replace(tzinfo=UTC)
"""The `claimed_until` of a row without a claim."""


def can_be_paid(status: State, expires_at: datetime, now: datetime) -> bool:
    """Return whether the payment page of a session is open."""
    return status is State.OPEN and now < expires_at


class Session(Struct, frozen=True, kw_only=True):
    """A payment session: a basket in checkout, with its payment."""

    id: UUID
    buyer_id: UUID
    status: State
    total: Money
    lines: list[SoldLine]
    expires_at: datetime
    traceparent: str
    correlation_id: str
    serial: int = 0
    """Zero until its payment arrives."""
    payment_id: str | None = None
    payment_url: str | None = None
    received: Money | None = None
    reason: str | None = None
    declines: int = 0
    decline_code: str | None = None
    declined_at: datetime | None = None
    network: str | None = None
    """A keyed hash of its buyer's network, if the network's open checkouts are limited."""
    refund_id: str | None = None
    reported_refunds: Mapping[str, Money] = {}
    """The provider's refunds by payment, if they changed no state: of a part, or before the payment was reported."""
    give_up_note: str | None = None
    release_due: bool = False
    """Whether its units may be held, and are to be released."""
    claimed_until: datetime = NOT_CLAIMED
    """The end of the claim with which the session was read, and its fencing token."""
    attempts: int = 0
    """The number of times that the claimed work was started."""
    failure: str | None = None
    """The last error of the claimed work; None if each earlier claim expired."""

    @property
    def units(self) -> list[Line]:
        """The basket without prices."""
        return [Line(line.product_id, line.quantity) for line in self.lines]

    @property
    def last_decline(self) -> LastDecline | None:
        """The last declined card, or None."""
        if self.decline_code is None or self.declined_at is None:
            return None
        return LastDecline(self.decline_code, self.declined_at)

    def has_refund_of(self, payment_id: str, money: Money) -> bool:
        """Return whether the provider has reported the full refund of a payment of this session."""
        return covers(self.reported_refunds.get(payment_id), money)


def exceeds(refunded: Money, known: Money | None) -> bool:
    """Return whether a refund exceeds what is known to be refunded of its payment; false in another currency."""
    if known is None:
        return refunded.amount > 0
    return refunded.currency == known.currency and refunded.amount > known.amount


def covers(refunded: Money | None, payment: Money) -> bool:
    """Return whether a refund is of the whole payment."""
    return refunded is not None and refunded.currency == payment.currency and refunded.amount >= payment.amount


class OrderDraft(Struct, frozen=True):
    """One shop's part of a paid session, before it has an id."""

    number: str
    shop_id: UUID
    seller_id: UUID
    lines: list[SoldLine]

    @property
    def total(self) -> Money:
        """The sum of the lines."""
        return total([line.total for line in self.lines])


class BasketLine(Struct, frozen=True):
    """A product and its quantity."""

    product_id: UUID
    quantity: Quantity


def merge_basket(lines: Sequence[Line]) -> list[Line]:
    """Return each product once, with the quantities of its lines added up.

    Raises:
        Unprocessable: more than `MAX_QUANTITY` units of one product (`too-many-units`).
    """
    merged = merge_lines(lines)
    if any(line.quantity > MAX_QUANTITY for line in merged):
        raise TooManyUnits
    return merged


def price_lines(priced: Sequence[QuotedLine], shops: Sequence[Shop]) -> list[SoldLine]:
    """Return the basket with the prices of the product service and the sellers of its shops.

    Raises:
        Conflict: a shop is not selling (`shop-closed`).
    """
    sellers = {shop.id: shop.seller_id for shop in shops if shop.status == "approved"}
    for line in priced:
        if line.shop_id not in sellers:
            raise ShopClosed(f"The shop that offers “{line.title}” is closed. Remove the product from your basket.")
    return [
        SoldLine(
            line.product_id, line.shop_id, line.title, line.quantity, line.unit_price.money(), sellers[line.shop_id]
        )
        for line in priced
    ]


def basket_total(lines: Sequence[SoldLine]) -> Money:
    """Return the sum of a basket's lines.

    Raises:
        Conflict: the prices are in several currencies (`mixed-currencies`).
    """
    try:
        return total([line.total for line in lines])
    except ValueError:
        raise MixedCurrencies from None


def payment_description(lines: Sequence[PricedLine]) -> str:
    """Return a short description of a basket, for the payment page."""
    first, others = lines[0], len(lines) - 1
    return f"{first.quantity} \N{MULTIPLICATION SIGN} {first.title}" + (f" and {others} more" if others else "")


_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without the letters that look like digits."""
_STRIDE: Final = 0x9E3779B1
"""Odd, so that multiplication modulo a power of two is one to one."""
_MIN_BITS: Final = 20


def order_code(serial: int) -> str:
    """Return a short code for a session's serial number: unique, without revealing how many sessions there are."""
    bits = _MIN_BITS
    while serial >> bits:
        bits += 5
    scattered = serial * _STRIDE
    return "".join(_ALPHABET[scattered >> shift & 31] for shift in reversed(range(0, bits, 5)))


def split_by_shop(session: Session) -> list[OrderDraft]:
    """Return one order draft per shop, in the order of the basket."""
    by_shop: dict[UUID, list[SoldLine]] = {}
    for line in session.lines:
        by_shop.setdefault(line.shop_id, []).append(line)
    checkout_number = f"NB-{order_code(session.serial)}"
    return [
        OrderDraft(f"{checkout_number}-{index}", shop_id, lines[0].seller_id, lines)
        for index, (shop_id, lines) in enumerate(by_shop.items(), 1)
    ]
