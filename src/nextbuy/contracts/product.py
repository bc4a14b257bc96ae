"""What others may ask of product, and what it tells."""

from datetime import datetime
from typing import (
    Annotated,
    ClassVar,
    Literal,
)
from uuid import UUID

from msgspec import (
    Meta,
    Struct,
)

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.values import (
    AdminId,
    BatchLimit,
    CategoryName,
    Hour,
    Money,
    Nothing,
    Page,
    ProductId,
    ProductTitle,
    ReasonText,
    SellerId,
    ShopId,
    ShopName,
    ShopStatus,
    Timestamp,
)

Decision = Literal["active", "pending", "rejected"]
Score = Annotated[int, Meta(description="The points that moderation gave it; more is worse.", examples=[40])]


class Reason(Struct, frozen=True):
    """One thing that moderation saw: the rule, its points, where, and the words themselves."""

    rule: str
    points: int
    field: Annotated[str, Meta(examples=["title"])]
    excerpt: Annotated[str, Meta(examples=["miracle cure"])]


class Moderation(Struct, frozen=True):
    """What automatic moderation made of a product."""

    score: Score
    decision: Decision
    reasons: list[Reason]


class Product(Struct, frozen=True, kw_only=True):
    """A product as its page shows it; `stock` is what can still be bought."""

    id: UUID
    slug: Annotated[str, Meta(examples=["brass-lamp"])]
    title: ProductTitle
    description: Annotated[str, Meta(examples=["A lamp of brass, with a shade of linen."])]
    category: CategoryName
    price: Money
    stock: int
    tags: Annotated[list[str], Meta(examples=[["brass"]])]
    status: Decision
    shop_id: UUID
    picture: str
    moderation: Moderation
    created_at: Timestamp


class Line(Struct, frozen=True):
    """So many of one product."""

    product_id: UUID
    quantity: int


class PricedLine(Struct, frozen=True):
    """A line in its owner's words: title, shop and price are product's, not the basket's."""

    product_id: ProductId
    shop_id: ShopId
    title: ProductTitle
    quantity: Annotated[int, Meta(description="How many of it.")]
    unit_price: Annotated[Money, Meta(description="What one of it cost then.")]


class ProductsValidated(Struct, frozen=True):
    """All lines can be bought, as of now."""

    lines: list[PricedLine]


class ValidateProducts(
    Call[ProductsValidated], to="product", name="validate-products", callers=("order",), idempotent=True
):
    """Can all of these lines be bought, and at what price? Refused whole where one cannot."""

    lines: list[Line]


class HoldStock(Call[Nothing], to="product", name="hold-stock", callers=("order",), idempotent=True):
    """Keep these units for a payment session; all of them, or none. Once per session."""

    session_id: UUID
    lines: list[Line]
    expires_at: Timestamp


class StockReleased(Struct, frozen=True):
    """What became of a session's units: given back now or earlier, or sold before they could be."""

    outcome: Literal["released", "sold"]


class ReleaseStock(Call[StockReleased], to="product", name="release-stock", callers=("order",), idempotent=True):
    """Give back what a session holds; once sold, it stays sold, and the answer says so.

    A release that comes before its hold forbids the hold: a late one cannot leave units behind.
    """

    session_id: UUID


class UpdateStock(Call[Nothing], to="product", name="update-stock", callers=("order",), idempotent=True):
    """Sell what a session holds, once per session; where it was given back meanwhile, take it again or be refused."""

    session_id: UUID
    lines: list[Line]


class ListProducts(Call[Page[Product]], to="product", name="list-products", callers=("admin",), idempotent=True):
    """Which products are in this state, oldest first?"""

    status: Decision
    limit: int
    cursor: str | None = None


class DecideProduct(Call[Product], to="product", name="decide-product", callers=("admin",), idempotent=True):
    """Approve or reject a product; the same decision again changes nothing."""

    product_id: UUID
    decision: Literal["active", "rejected"]
    reason: str
    by: UUID


class UpsertShop(Call[Nothing], to="product", name="upsert-shop", callers=("kafka",), idempotent=True):
    """Hear what became of a shop; an older version of it than the one known changes nothing."""

    shop_id: UUID
    seller_id: UUID
    shop_name: ShopName
    status: ShopStatus
    shop_version: int


class ReadProductEvents(
    Call[EventsRead], to="product", name="read-product-events", callers=("kafka",), idempotent=True
):
    """What has product published behind a position of its log (at most 1,000 events, of these topics)?"""

    after: int
    limit: BatchLimit
    topics: list[str] | None = None


class Activity(Struct, frozen=True):
    """What an event adds to a product's counters."""

    event_id: UUID
    product_id: UUID
    viewed: int = 0
    sold: int = 0


class CountActivity(Call[Nothing], to="product", name="count-activity", callers=("kafka",), idempotent=True):
    """Count how often products were seen and sold, each event once; at most 2,000 lines, those of an event together."""

    lines: list[Activity]


class _ProductEvent(Event):
    """What every event about a product says."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    title: ProductTitle
    status: Annotated[Decision, Meta(description="What it is from here on; only an active one is sold.")]


class ProductCreated(_ProductEvent, topic="product.created", key="product_id"):
    """A seller has offered a product; `status` is what moderation made of it."""

    category: Annotated[CategoryName, Meta(description="The shelf it stands on.")]
    price: Annotated[Money, Meta(description="What one of it costs.")]
    score: Score


class ProductUpdated(_ProductEvent, topic="product.updated", key="product_id"):
    """A product was changed; `fields` names what."""

    fields: Annotated[list[str], Meta(description="Which fields were changed.", examples=[["price"]])]


class ProductPending(_ProductEvent, topic="product.pending", key="product_id"):
    """A product waits for an admin's decision."""

    score: Score
    rules: Annotated[list[str], Meta(description="The rules that it met.", examples=[["forbidden-words"]])]


class ProductApproved(_ProductEvent, topic="product.approved", key="product_id"):
    """An admin has approved a product."""

    by: AdminId


class ProductRejected(_ProductEvent, topic="product.rejected", key="product_id"):
    """Moderation (`by` is null) or an admin has refused a product."""

    reason: Annotated[ReasonText, Meta(description="Why, in words for the seller.")]
    by: Annotated[UUID | None, Meta(description="The admin; null where moderation refused it by itself.")]


class ProductViewed(Event, topic="product.viewed", key="product_id"):
    """A product's page was looked at so often, in about a second of an hour (UTC)."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    views: Annotated[int, Meta(description="How many looks this is the sum of.")]
    hour: Hour


class ProductAddedToBasket(Event, topic="product.added-to-basket", key="product_id"):
    """A product was put into baskets so often, in about a second of an hour (UTC)."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    times: Annotated[int, Meta(description="How many baskets this is the sum of.")]
    hour: Hour


class ProductClient(Client):
    """Speaks to product."""

    service: ClassVar[str] = "product"

    async def validate_products(self, lines: list[Line]) -> list[PricedLine]:
        """Return the lines in product's words.

        Raises:
            NotFound: a product does not exist or is not for sale (`no-such-product`).
            Conflict: there is not enough of one (`sold-out`).
        """
        return (await self._send(ValidateProducts(lines=lines))).lines

    async def hold_stock(self, session_id: UUID, lines: list[Line], expires_at: datetime) -> None:
        """Keep units for a session; `Conflict` (`sold-out`) where there are too few, and then none is kept."""
        await self._send(HoldStock(session_id=session_id, lines=lines, expires_at=expires_at))

    async def release_stock(self, session_id: UUID) -> StockReleased:
        """Give back what a session holds."""
        return await self._send(ReleaseStock(session_id=session_id))

    async def update_stock(self, session_id: UUID, lines: list[Line]) -> None:
        """Sell what a session holds; `Conflict` (`sold-out`) where it was given back and has gone since."""
        await self._send(UpdateStock(session_id=session_id, lines=lines))

    async def list_products(self, status: Decision, *, limit: int, cursor: str | None = None) -> Page[Product]:
        """Return products in a state, oldest first."""
        return await self._send(ListProducts(status=status, limit=limit, cursor=cursor))

    async def decide_product(
        self, product_id: UUID, decision: Literal["active", "rejected"], *, reason: str, by: UUID
    ) -> Product:
        """Approve or reject; `NotFound` where there is no such product."""
        return await self._send(DecideProduct(product_id=product_id, decision=decision, reason=reason, by=by))

    async def upsert_shop(self, word: UpsertShop) -> None:
        """Tell product of a shop."""
        await self._send(word)

    async def count_activity(self, lines: list[Activity]) -> None:
        """Count what products were seen and sold; an event that was counted before counts no more."""
        await self._send(CountActivity(lines=lines))

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of product's event log."""
        return await self._send(ReadProductEvents(after=after, limit=limit, topics=topics))
