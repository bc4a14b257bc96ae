"""What a payment session can become, and what its basket comes to.

::

    opening ─ opened ─> open ─┐                      ┌─ goods taken ─> paid
       │                 │    ├─ money came ─> paying┤
       ├── declined ─────┤    │  (from failed and    └─ goods gone ──> refund-due ─ money returned ─> refunded
       │     = failed ───┼────┤   expired as well)                      ^
       └── lapsed ───────┘    └─ wrong money came ──────────────────────┘
             = expired
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import BadGateway, Conflict, Unprocessable
from nextbuy.contracts.order import Address, SoldLine
from nextbuy.contracts.product import Line, PricedLine
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import MAX_QUANTITY, Money, total


class State(StrEnum):
    """Where a session stands."""

    OPENING = "opening"
    """Written down, so that what it holds belongs to something; there is no payment page yet."""
    OPEN = "open"
    PAYING = "paying"
    """The money is there; orders or a refund will follow, whatever happens."""
    PAID = "paid"
    REFUND_DUE = "refund-due"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"


class Transition(StrEnum):
    """What can happen to a session."""

    OPENED = "opened"
    NOT_OPENED = "not opened"
    DECLINED = "declined"
    LAPSED = "lapsed"
    MONEY_CAME = "money came"
    WRONG_MONEY_CAME = "wrong money came"
    GOODS_TAKEN = "goods taken"
    GOODS_GONE = "goods gone"
    MONEY_RETURNED = "money returned"


_UNPAID: Final = (State.OPENING, State.OPEN, State.FAILED, State.EXPIRED)
TRANSITIONS: Final[Mapping[Transition, tuple[tuple[State, ...], State]]] = MappingProxyType(
    {
        Transition.OPENED: ((State.OPENING,), State.OPEN),
        Transition.NOT_OPENED: ((State.OPENING,), State.FAILED),
        Transition.DECLINED: ((State.OPENING, State.OPEN), State.FAILED),
        Transition.LAPSED: ((State.OPENING, State.OPEN), State.EXPIRED),
        Transition.MONEY_CAME: (_UNPAID, State.PAYING),
        Transition.WRONG_MONEY_CAME: (_UNPAID, State.REFUND_DUE),
        Transition.GOODS_TAKEN: ((State.PAYING,), State.PAID),
        Transition.GOODS_GONE: ((State.PAYING,), State.REFUND_DUE),
        Transition.MONEY_RETURNED: ((State.REFUND_DUE,), State.REFUNDED),
    }
)
"""From which states a happening leads where; in any other state it changes nothing."""

LATE: Final = "not paid in time"
GONE: Final = "the goods were sold to others before the money came"
OTHER_AMOUNT: Final = "another amount than the session's"
UNAWAITED: Final = "it belongs to no basket that is waiting for it"
"""Why a session ended or its money goes back, where nobody else says it."""

Shown = Literal["open", "paid", "failed", "expired", "refunded"]
SHOWN: Final[Mapping[State, Shown]] = MappingProxyType(
    {
        State.OPENING: "open",
        State.OPEN: "open",
        State.PAYING: "open",
        State.PAID: "paid",
        State.REFUND_DUE: "open",
        State.REFUNDED: "refunded",
        State.FAILED: "failed",
        State.EXPIRED: "expired",
    }
)
"""What a buyer is told: a session is open until it has come to an end."""


def sources(happening: Transition) -> tuple[State, ...]:
    """Return the states in which it changes something."""
    return TRANSITIONS[happening][0]


def after(happening: Transition) -> State:
    """Return the state to which it leads."""
    return TRANSITIONS[happening][1]


class Session(Struct, frozen=True, kw_only=True):
    """A basket on its way to be paid."""

    id: UUID
    buyer_id: UUID
    status: State
    total: Money
    lines: list[SoldLine]
    expires_at: datetime
    traceparent: str
    correlation_id: str
    serial: int = 0
    address: Address | None = None
    payment_id: str | None = None
    received: Money | None = None
    reason: str | None = None
    refund_id: str | None = None

    @property
    def wanted(self) -> list[Line]:
        """The units it is about."""
        return [Line(line.product_id, line.quantity) for line in self.lines]


class Draft(Struct, frozen=True):
    """One shop's part of a paid session, before it has an id."""

    number: str
    shop_id: UUID
    seller_id: UUID
    lines: list[SoldLine]

    @property
    def total(self) -> Money:
        """The sum of its lines."""
        return total([line.total for line in self.lines])


def merged(lines: Sequence[Line]) -> list[Line]:
    """Return each product once, with the units of all its lines.

    Raises:
        Unprocessable: more units of one product than anybody may buy at once.
    """
    units: Counter[UUID] = Counter()
    for line in lines:
        units[line.product_id] += line.quantity
    if max(units.values(), default=0) > MAX_QUANTITY:
        raise Unprocessable(f"At most {MAX_QUANTITY} of one product can be bought at once.", slug="too-many-units")
    return [Line(product_id, quantity) for product_id, quantity in units.items()]


def sold(asked: Sequence[Line], priced: Sequence[PricedLine], shops: Sequence[Shop]) -> list[SoldLine]:
    """Return the basket in its owners' words: prices of product, sellers of seller.

    Raises:
        Conflict: a shop is not selling (`shop-closed`).
        BadGateway: the answer is about another basket than the one that was asked about.
    """
    if Counter((line.product_id, line.quantity) for line in asked) != Counter(
        (line.product_id, line.quantity) for line in priced
    ):
        raise BadGateway("The product service priced another basket than ours; try again.", slug="bad-answer")
    sellers = {shop.id: shop.seller_id for shop in shops if shop.status == "approved"}
    for line in priced:
        if line.shop_id not in sellers:
            raise Conflict(f"The shop that offers “{line.title}” is not selling now.", slug="shop-closed")
    return [
        SoldLine(line.product_id, line.shop_id, line.title, line.quantity, line.unit_price, sellers[line.shop_id])
        for line in priced
    ]


def total_of(lines: Sequence[SoldLine]) -> Money:
    """Add up a basket.

    Raises:
        Conflict: it is priced in several currencies (`mixed-currencies`).
    """
    try:
        return total([line.total for line in lines])
    except ValueError:
        raise Conflict(
            "These products are priced in different currencies; buy them apart.", slug="mixed-currencies"
        ) from None


def description(lines: Sequence[PricedLine]) -> str:
    """Say in a few words what is being paid for."""
    first, more = lines[0], len(lines) - 1
    return f"{first.quantity} x {first.title}" + (f" and {more} more" if more else "")


_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is mistaken for a digit."""
_STRIDE: Final = 0x9E3779B1
"""Odd, so that multiplying by it modulo a power of two maps each number to one of its own."""
_LEAST_BITS: Final = 20


def code(serial: int) -> str:
    """Return a short text for a session's serial number: another for each, and not telling how many there are."""
    bits = _LEAST_BITS
    while serial >> bits:
        bits += 5
    rest = serial * _STRIDE % (1 << bits)
    return "".join(_ALPHABET[rest >> shift & 31] for shift in range(bits - 5, -1, -5))


def drafts(session: Session) -> list[Draft]:
    """Split a session into one order for each shop, in the order in which the basket names them."""
    by_shop: dict[UUID, list[SoldLine]] = {}
    for line in session.lines:
        by_shop.setdefault(line.shop_id, []).append(line)
    prefix = f"NB-{code(session.serial)}"
    return [
        Draft(f"{prefix}-{index}", shop_id, lines[0].seller_id, lines)
        for index, (shop_id, lines) in enumerate(by_shop.items(), 1)
    ]
