"""Types that all services share: money, ids, times, texts, roles and pages.

Their descriptions and examples appear in the API documents.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Generic, Literal, TypeVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType
from uuid_utils.compat import uuid7 as _uuid7

Item = TypeVar("Item")

CURRENCY: Final = "USD"
MAX_AMOUNT: Final = 100_000_000_00
"""The highest price of a unit, in minor units (100 million dollars)."""
MAX_QUANTITY: Final = 1_000
MAX_LINES: Final = 50
MAX_STOCK: Final = 1_000_000
PAGE_LIMIT: Final = 100
MAX_SUBSCRIPTIONS: Final = 100
"""Subscriptions of a service to one topic, and so the results for one event."""
"""Items per page that a client may request."""
MAX_PAGE: Final = 10_000
"""Items of any page. Calls between services request a limit of their own, which is checked."""
MAX_TOPICS: Final = 200
"""Topics that a selection of events can name, and topics per list of a reply: several times as many as exist."""
MAX_INTEGER: Final = 2**53 - 1
"""The highest count and amount: JSON carries it exactly to every reader, and a `bigint` holds it."""


class TextForm(StrEnum):
    """The form of a text that a person types; `contracts/text.py` has the rules."""

    LINE = "line"
    LINES = "lines"
    OPAQUE = "opaque"
    EMAIL = "email"


TEXT: Final = "text"
"""The key of a text's form in the `extra` of its `Meta`; without it, a text of a public request is one line."""
LINES: Final = Meta(extra={TEXT: TextForm.LINES})
OPAQUE: Final = Meta(extra={TEXT: TextForm.OPAQUE})

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A time as in RFC 3339, with an offset; UTC in all responses and events."""
Hour = Annotated[Timestamp, Meta(description="The beginning of the hour, in UTC.")]
AccountId = Annotated[UUID, Meta(description="The account.")]
AdminId = Annotated[UUID, Meta(description="The admin who decided.")]
BuyerId = Annotated[UUID, Meta(description="The buyer's account.")]
SellerId = Annotated[UUID, Meta(description="The account of the shop's seller.")]
ShopId = Annotated[UUID, Meta(description="The shop.")]
ProductId = Annotated[UUID, Meta(description="The product.")]
SessionId = Annotated[UUID, Meta(description="The checkout (payment session).")]
OrderId = Annotated[UUID, Meta(description="The order: one shop's part of a checkout.")]
ProviderId = Annotated[str, Meta(max_length=255)]
"""An id of the payment provider, of a payment or a refund."""
RequiredProviderId = Annotated[ProviderId, Meta(min_length=1)]
PaymentId = Annotated[ProviderId, Meta(description="The provider's payment.")]
Currency = Annotated[
    str,
    Meta(
        pattern="^[A-Z]{3}$",
        max_length=3,
        description="Three letters, as in ISO 4217.",
        examples=["USD"],
        extra={"invalid": "Not a currency. Send three capital letters, such as USD."},
    ),
]
Amount = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER, description="In minor units (cents).", examples=[6_850])]
PositiveAmount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT, description="In minor units (cents).", examples=[6_850])]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Stock = Annotated[int, Meta(ge=0, le=MAX_STOCK)]
Units = Annotated[int, Meta(ge=1, le=MAX_STOCK)]
"""Units of one product in a call; several lines of a basket may name the same product."""
StoredStock = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""Units in stock, which released units may raise above `MAX_STOCK`: what an `integer` holds."""
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
LogPosition = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
"""A position in an event log; the first event has 1, and 0 is before it."""
EventPosition = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
Topic = Annotated[str, Meta(min_length=1, max_length=200, examples=["order.created"])]
Topics = Annotated[list[Topic], Meta(max_length=MAX_TOPICS)]
SubscriptionName = Annotated[str, Meta(min_length=1, max_length=200, examples=["create-notification"])]
FailureText = Annotated[str, Meta(max_length=10_000)]
"""Why something failed, for operators: longer than `kit.events.error_text` makes it."""
PersonName = Annotated[str, Meta(max_length=200, examples=["Ada Winter"])]
EmailAddress = Annotated[str, Meta(max_length=254, examples=["ada@example.com"])]
ShopName = Annotated[str, Meta(max_length=100, description="The shop's name.", examples=["Winter Lamps"])]
ShopSlug = Annotated[
    str, Meta(max_length=200, description="The shop's name in URLs; get-shop takes it.", examples=["winter-lamps"])
]
ProductTitle = Annotated[str, Meta(max_length=200, description="The product's title.", examples=["Brass lamp"])]
CategoryName = Annotated[str, Meta(max_length=60, examples=["Lighting"])]
OrderNumber = Annotated[str, Meta(max_length=50, description="The order's number for people.", examples=["NB-1042"])]
ReasonText = Annotated[str, Meta(max_length=500, examples=["The photographs show another product."])]
Slug = Annotated[str, Meta(min_length=1, max_length=200)]
LocalPath = Annotated[
    str,
    Meta(
        max_length=2_000,
        pattern=r"^/(?![/\\])",
        examples=["/product/api/picture/1"],
        extra={"invalid": "Not a path of this site. Send one that begins with one slash."},
    ),
]
"""A path on the marketplace's own origin."""

NOT_BLANK: Final = Meta(pattern=r"\S", extra={"invalid": "Blank. Enter a text."})
Title = Annotated[str, Meta(min_length=1, max_length=200, examples=["Brass lamp"]), NOT_BLANK]
LongText = Annotated[str, Meta(max_length=10_000, examples=["A lamp of brass, with a shade of linen."]), LINES]
ShortText = Annotated[ReasonText, Meta(min_length=1), NOT_BLANK, LINES]
Tag = Annotated[str, Meta(min_length=1, max_length=50, examples=["brass"]), NOT_BLANK]
Category = Annotated[CategoryName, Meta(min_length=1), NOT_BLANK]
Email = Annotated[
    EmailAddress,
    Meta(
        min_length=3,
        pattern=r"^[^@\s<>\"]+@[^@\s<>\"]+\.[^@\s<>\".]+$",
        extra={"invalid": "Not an e-mail address. Enter one such as ada@example.com."},
    ),
]
"""A stored e-mail address."""
GivenEmail = Annotated[EmailAddress, Meta(min_length=1, extra={TEXT: TextForm.EMAIL})]
"""An e-mail address that a person types; a request has it in the form of `contracts.email_address`."""
Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT)]
BatchLimit = Annotated[int, Meta(ge=1, le=1_000)]
"""Items per call between services."""
Cursor = Annotated[str, Meta(min_length=1, max_length=400)]


class Role(StrEnum):
    """The role of an account; each has one."""

    BUYER = "buyer"
    SELLER = "seller"
    ADMIN = "admin"


ShopStatus = Literal["pending", "approved", "rejected", "suspended"]


class Money(Struct, frozen=True):
    """An amount of money; zero and, as a difference, negative amounts are valid."""

    amount: Amount
    currency: Currency = CURRENCY

    def times(self, quantity: int) -> "Money":
        """Return this amount multiplied by `quantity`."""
        return Money(self.amount * quantity, self.currency)


class Price(Money, frozen=True):
    """The price of a unit, greater than zero."""

    amount: PositiveAmount
    currency: Literal["USD"] = "USD"

    def money(self) -> Money:
        """Return the same amount as `Money`."""
        return Money(self.amount, self.currency)


class Page(Struct, Generic[Item], frozen=True):
    """A page of a list; `next_cursor` requests the next page, and is null on the last."""

    items: Annotated[list[Item], Meta(max_length=MAX_PAGE)]
    next_cursor: Cursor | None = None


class PageRequest(Struct, frozen=True):
    """A request for a page: its size, and `next_cursor` of the previous page."""

    limit: Limit = 20
    cursor: Cursor | UnsetType = UNSET

    @property
    def start(self) -> str | None:
        """The cursor, or None for the first page."""
        return None if self.cursor is UNSET else self.cursor


class Notification(Struct, frozen=True):
    """A notification, one per event and kind, or one per shop and day that counts its new products.

    `link` is the path of a page, or empty. `created_at` is the time of its event, the latest of those that it counts.
    """

    id: UUID
    kind: str
    title: str
    message: str
    link: Annotated[str, Meta(examples=["/orders"])]
    source_event_id: UUID
    read: bool
    created_at: Timestamp


class AllRead(Struct, frozen=True):
    """All notifications are marked as read; `read` is the number of previously unread ones."""

    read: int


class PostalAddress(Struct, frozen=True):
    """A postal address, as a person enters it."""

    full_name: Annotated[Title, Meta(examples=["Ada Winter"])]
    line1: Annotated[Title, Meta(examples=["12 Harbour Street"])]
    city: Annotated[Title, Meta(examples=["Portland"])]
    postal_code: Annotated[str, Meta(min_length=1, max_length=20, examples=["97201"]), NOT_BLANK]
    country: Annotated[Title, Meta(examples=["US"])]


class Tagged(Struct, frozen=True):
    """A reply with a version, which its ETag header names."""

    @property
    def etag(self) -> str:
        """The entity tag, in its quotes (RFC 9110, 8.8.3)."""
        raise NotImplementedError


class Nothing(Struct, frozen=True):
    """An empty request or reply."""


_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def parse_uuid(key: str) -> UUID | None:
    """Return a key of a path as an id, or None if it is a slug; the suffix of a slug is too short for an id."""
    return UUID(key) if _UUID.fullmatch(key) else None


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562), greater than earlier ids."""
    return _uuid7()


def total(amounts: "list[Money]") -> Money:
    """Return the sum of amounts.

    Raises:
        ValueError: their currencies differ.
    """
    currencies = {money.currency for money in amounts} or {CURRENCY}
    if len(currencies) > 1:
        raise ValueError(f"cannot add amounts in different currencies: {sorted(currencies)}")
    return Money(sum(money.amount for money in amounts), currencies.pop())
