"""The calls that product answers, and the events that it publishes."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.checks import (
    require,
    require_distinct,
    require_equal,
    require_events,
    require_in_order,
    require_page,
)
from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.product_offers import GetOffers, ProductOffer, require_offers
from nextbuy.contracts.product_version import MAX_VERSIONS, ProductEtag, ProductVersion
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import (
    MAX_LINES,
    MAX_STOCK,
    AdminId,
    BatchLimit,
    CategoryName,
    Count,
    Cursor,
    Hour,
    Limit,
    LocalPath,
    LogPosition,
    LongText,
    Money,
    Nothing,
    Page,
    Price,
    ProductId,
    ProductTitle,
    ReasonText,
    SellerId,
    ShopId,
    ShopName,
    ShopSlug,
    Slug,
    StoredStock,
    Tag,
    Timestamp,
    Topics,
    Units,
)

Decision = Literal["active", "pending", "rejected"]
MAX_FINDINGS: Final = 500
"""Findings of moderation: several times what all banned words in all fields amount to."""
RuleName = Annotated[str, Meta(max_length=100)]
FieldName = Annotated[str, Meta(max_length=100)]
Score = Annotated[int, Meta(ge=0, le=100, description="The moderation score, 0 to 100; lower is worse.", examples=[40])]
OnSale = Annotated[bool, Meta(description="Whether its seller offers it; an archived product is not on sale.")]


class Finding(Struct, frozen=True):
    """One finding of moderation: the rule, its points, the field, the text around it, and the word, if any."""

    rule: RuleName
    points: Annotated[int, Meta(ge=-1_000, le=1_000)]
    field: Annotated[FieldName, Meta(examples=["title"])]
    excerpt: Annotated[str, Meta(max_length=4_000, examples=["A miracle cure for all"])]
    word: Annotated[str, Meta(max_length=4_000, examples=["miracle cure"])] = ""


class Moderation(Struct, frozen=True):
    """The verdict of automatic moderation on a product."""

    score: Score
    decision: Decision
    reasons: Annotated[list[Finding], Meta(max_length=MAX_FINDINGS)]


class PublicProduct(Struct, frozen=True, kw_only=True):
    """A product as buyers see it; `stock` is the number of units that can still be bought."""

    id: UUID
    etag: ProductEtag
    slug: Annotated[Slug, Meta(examples=["brass-lamp"])]
    title: Annotated[ProductTitle, Meta(min_length=1)]
    description: LongText
    category: CategoryName
    price: Price
    stock: StoredStock
    tags: Annotated[list[Tag], Meta(max_length=20, examples=[["brass"]])]
    status: Decision
    shop_id: UUID
    picture: LocalPath
    created_at: Timestamp
    shop_name: ShopName = ""
    shop_slug: ShopSlug = ""


class Product(PublicProduct, frozen=True, kw_only=True):
    """A product as its seller and admins see it, with the verdict of moderation."""

    moderation: Moderation
    on_sale: OnSale = True
    archived: Annotated[bool, Meta(description="Whether its seller has archived it.")] = False


class Line(Struct, frozen=True):
    """A number of units of one product."""

    product_id: UUID
    quantity: Units


Basket = Annotated[list[Line], Meta(min_length=1, max_length=MAX_LINES)]


def merge_lines(lines: Iterable[Line]) -> list[Line]:
    """Return one line per product with the sum of its quantities, in order of first appearance."""
    quantities: dict[UUID, int] = {}
    for line in lines:
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    return [Line(product_id, quantity) for product_id, quantity in quantities.items()]


class PricedLine(Struct, frozen=True):
    """A line with the title, shop and price that product has stored; none is taken from the basket."""

    product_id: ProductId
    shop_id: ShopId
    title: ProductTitle
    quantity: Annotated[int, Meta(ge=1, le=MAX_STOCK, description="The number of units.")]
    unit_price: Annotated[Money, Meta(description="The price of one unit at that time.")]


class QuotedLine(PricedLine, frozen=True):
    """A priced line of a product that is for sale now."""

    title: Annotated[ProductTitle, Meta(min_length=1)]
    unit_price: Annotated[Price, Meta(description="The price of one unit now.")]


class ProductsValidated(Struct, frozen=True):
    """The lines with their prices; all of them can be bought at present."""

    lines: Annotated[list[QuotedLine], Meta(max_length=MAX_LINES)]


class ValidateProducts(
    Call[ProductsValidated], to="product", name="validate-products", callers=("order",), idempotent=True
):
    """Price the lines of a basket, or refuse all; units that the session `replaces` holds count as available."""

    lines: Basket
    replaces: UUID | None = None


class HoldStock(Call[Nothing], to="product", name="hold-stock", callers=("order",), idempotent=True):
    """Hold units for a session, all of them or none, once; the session that it `replaces` is released first."""

    session_id: UUID
    lines: Basket
    expires_at: Timestamp
    replaces: UUID | None = None


class StockReleased(Struct, frozen=True):
    """The state of a payment session's units: released, now or earlier, or already sold."""

    outcome: Literal["released", "sold"]


class ReleaseStock(Call[StockReleased], to="product", name="release-stock", callers=("order",), idempotent=True):
    """Release the units that a payment session holds; sold units stay sold.

    A release before the hold forbids the hold, so that a delayed hold cannot keep units forever.
    """

    session_id: UUID


class UpdateStock(Call[Nothing], to="product", name="update-stock", callers=("order",), idempotent=True):
    """Commit a payment session's hold, once; if it was released, sell the units from stock, or fail."""

    session_id: UUID
    lines: Basket


class ListProducts(Call[Page[Product]], to="product", name="list-products", callers=("admin",), idempotent=True):
    """List the products in a status, oldest first."""

    status: Decision
    limit: Limit
    cursor: Cursor | None = None


class DecideProduct(Call[Product], to="product", name="decide-product", callers=("admin",), idempotent=True):
    """Approve or reject a product. Repeating a decision changes nothing.

    With `seen`, the admin has read one of these versions. Without it, the decision is about the stored version.
    """

    product_id: UUID
    decision: Literal["active", "rejected"]
    reason: ReasonText
    by: UUID
    seen: Annotated[list[ProductVersion], Meta(max_length=MAX_VERSIONS)] | None = None


class CopyShop(Call[Nothing], to="product", name="copy-shop", callers=("admin",), idempotent=True):
    """Store the status of a shop at once, unless a later version is stored."""

    shop: Shop


class ReadProductEvents(
    Call[EventsRead], to="product", name="read-product-events", callers=("analytics",), idempotent=True
):
    """Read up to 1,000 events of product's event log after a position, of all topics or those named."""

    after: LogPosition
    limit: BatchLimit
    topics: Topics | None = None


class _ProductEvent(Event):
    """The fields that every event about a product has."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    title: ProductTitle
    status: Annotated[Decision, Meta(description="The new status; only an active product is sold.")]


class ProductCreated(_ProductEvent, topic="product.created", key="product_id", schema_version=2):
    """A seller has listed a product; `status` is the decision of automatic moderation."""

    shop_name: ShopName
    category: Annotated[CategoryName, Meta(description="The product's category.")]
    price: Annotated[Money, Meta(description="The price of one unit.")]
    score: Score
    on_sale: OnSale = True


class ProductUpdated(_ProductEvent, topic="product.updated", key="product_id", schema_version=2):
    """A seller has changed a product."""

    fields: Annotated[list[FieldName], Meta(max_length=50, description="The changed fields.", examples=[["price"]])]
    on_sale: OnSale = True


class ProductPending(_ProductEvent, topic="product.pending", key="product_id"):
    """A product waits for an admin's decision."""

    score: Score
    rules: Annotated[
        list[RuleName],
        Meta(
            max_length=MAX_FINDINGS,
            description="The moderation rules that count against the product.",
            examples=[["sensitive-category"]],
        ),
    ]


class ProductApproved(_ProductEvent, topic="product.approved", key="product_id"):
    """An admin has approved a product."""

    by: AdminId


class ProductRejected(_ProductEvent, topic="product.rejected", key="product_id", schema_version=2):
    """Automatic moderation (`by` is null) or an admin has rejected a product."""

    reason: Annotated[ReasonText, Meta(description="The admin's reason; empty for automatic moderation.")]
    findings: Annotated[
        list[Finding],
        Meta(max_length=MAX_FINDINGS, description="Findings of automatic moderation; empty for an admin's decision."),
    ]
    by: Annotated[UUID | None, Meta(description="The admin; null for automatic moderation.")]


class ProductViewed(Event, topic="product.viewed", key="product_id"):
    """Views of a product's page, added up over about a second."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    views: Annotated[Count, Meta(description="The number of views.")]
    hour: Hour


class ProductAddedToBasket(Event, topic="product.added-to-basket", key="product_id"):
    """Additions of a product to baskets, added up over about a second."""

    product_id: ProductId
    shop_id: ShopId
    seller_id: SellerId
    times: Annotated[Count, Meta(description="The number of additions.")]
    hour: Hour


class ProductClient(Client):
    """A client of product."""

    service: ClassVar[str] = "product"

    async def validate_products(self, lines: list[Line], *, replaces: UUID | None = None) -> list[QuotedLine]:
        """Price the lines of a basket, merged by product; units that `replaces` holds count as available.

        Raises:
            NotFound: a product does not exist or is not for sale (`product-not-found`).
            Conflict: too few units of a product are left (`sold-out`).
        """
        requested = merge_lines(lines)

        def check(reply: ProductsValidated) -> None:
            require(len(reply.lines) == len(requested), "lines", len(reply.lines))
            for index, (line, asked) in enumerate(zip(reply.lines, requested, strict=True)):
                require_equal(f"lines[{index}].product_id", line.product_id, asked.product_id)
                require_equal(f"lines[{index}].quantity", line.quantity, asked.quantity)

        return (await self._send(ValidateProducts(lines=lines, replaces=replaces), check)).lines

    async def get_offers(self, product_ids: list[UUID]) -> dict[UUID, ProductOffer]:
        """Return the products for sale among these, by their ids."""
        reply = await self._send(GetOffers(product_ids=product_ids), partial(require_offers, product_ids))
        return {offer.product_id: offer for offer in reply.offers}

    async def copy_shop(self, shop: Shop) -> None:
        """Store the status of a shop at once; its event does so too, later."""
        await self._send(CopyShop(shop=shop))

    async def hold_stock(
        self, session_id: UUID, lines: list[Line], expires_at: datetime, *, replaces: UUID | None = None
    ) -> None:
        """Hold units for a payment session, all of them or none; the session that it `replaces` is released.

        Raises:
            NotFound: a product does not exist or is not for sale (`product-not-found`).
            Conflict: too few units are left (`sold-out`), or the session was released before (`session-closed`).
        """
        await self._send(HoldStock(session_id=session_id, lines=lines, expires_at=expires_at, replaces=replaces))

    async def release_stock(self, session_id: UUID) -> StockReleased:
        """Release the units that a payment session holds."""
        return await self._send(ReleaseStock(session_id=session_id))

    async def update_stock(self, session_id: UUID, lines: list[Line]) -> None:
        """Commit a payment session's hold.

        Raises:
            Conflict: the hold was released and too few units are left (`sold-out`).
        """
        await self._send(UpdateStock(session_id=session_id, lines=lines))

    async def list_products(self, status: Decision, *, limit: int, cursor: str | None = None) -> Page[Product]:
        """List the products in a status, oldest first."""

        def check(page: Page[Product]) -> None:
            require_page(page, limit=limit, cursor=cursor)
            require_distinct("items[{}].id", (product.id for product in page.items))
            require_in_order("items[{}].created_at", (product.created_at for product in page.items))
            for index, product in enumerate(page.items):
                require_equal(f"items[{index}].status", product.status, status)

        return await self._send(ListProducts(status=status, limit=limit, cursor=cursor), check)

    async def decide_product(
        self,
        product_id: UUID,
        decision: Literal["active", "rejected"],
        *,
        reason: str,
        by: UUID,
        seen: list[ProductVersion] | None = None,
    ) -> Product:
        """Approve or reject a product, if its content is that of a version in `seen`.

        Raises:
            NotFound: the product does not exist (`product-not-found`).
            PreconditionFailed: its content has changed since (`stale`).
            Conflict: an admin has decided otherwise (`already-decided`).
        """

        def check(product: Product) -> None:
            require_equal("id", product.id, product_id)
            require_equal("status", product.status, decision)

        return await self._send(
            DecideProduct(product_id=product_id, decision=decision, reason=reason, by=by, seen=seen), check
        )

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of product's event log, in order."""
        check = partial(require_events, service=self.service, after=after, limit=limit, topics=topics)
        return await self._send(ReadProductEvents(after=after, limit=limit, topics=topics), check)
