"""The rules of products: slugs, search terms, basket lines, and the effects of moderation and admin decisions."""

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Final, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict, Forbidden, Gone, NotFound, Unprocessable
from nextbuy.contracts.message import Event
from nextbuy.contracts.product import (
    Finding,
    Line,
    Moderation,
    Product,
    ProductPending,
    ProductRejected,
    ProductUpdated,
    PublicProduct,
    QuotedLine,
    merge_lines,
)
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.text import slug_words
from nextbuy.contracts.values import (
    MAX_AMOUNT,
    MAX_LINES,
    MAX_STOCK,
    CategoryName,
    Count,
    Price,
    ShopStatus,
    Slug,
    Tagged,
)

MAX_SLUG_TITLE: Final = 60
"""Characters of the title that a slug may contain."""
ADMIN_RULE: Final = "admin-decision"
REJECTED_RULE: Final = "rejected-before"
_IDLE_MINUS: Final = re.compile(r'-(?![\w"])|-"[\s-]*"')
_OPERATORS: Final = re.compile(r'"|\bor\b|(?:^|\s)-', re.IGNORECASE)
_LAST_WORD: Final = re.compile(r"(.*?)(?<!\S)(\w{2,})", re.DOTALL)


ShopNotAllowed: Final = Forbidden.of("shop-not-allowed", "Your shop is rejected or suspended and cannot list products.")
InvalidLines: Final = Unprocessable.of("invalid-lines", "Invalid basket. Send fewer lines, but at least one.")
InvalidQuantity: Final = Unprocessable.of("invalid-quantity", "Invalid quantity. Send fewer units, but at least one.")
SoldOut: Final = Conflict.of("sold-out", "Too few units are left. Reduce the quantity.")
StockTwice: Final = Unprocessable.of(
    "stock-twice", "Send either stock, to set the units in stock, or stock_change, to add to them."
)
StockOutOfRange: Final = Conflict.of("stock-out-of-range", "The stock would be below 0 or too high. Change it by less.")
ProductNotFound: Final = NotFound.of("product-not-found", "Product not found, or not for sale.")
ProductArchived: Final = Gone.of("product-archived", "This product is no longer for sale. Look at its shop for others.")
RestoreFirst: Final = Conflict.of("restore-first", "This product is archived. Restore it before you put it on sale.")
SessionClosed: Final = Conflict.of("session-closed", "This checkout has expired. Start a new one.")
InvalidPriceRange: Final = Unprocessable.of(
    "price-range-invalid", "The lowest price is above the highest. Swap price_min and price_max."
)
InvalidIds: Final = Unprocessable.of("invalid-ids", "Invalid ids. Send product ids, separated by commas.")

PART_SIZE: Final = 10_000
"""Products or shops in one part of a sitemap."""
SITEMAP_PRODUCTS: Final = ("sitemap", "products")
SITEMAP_SHOPS: Final = ("sitemap", "shops")


class ProductRef(Struct, frozen=True):
    """A request that names only a product."""

    product_id: UUID


class ProductReply(Tagged, frozen=True):
    """The new or changed product."""

    product: Product

    @property
    def etag(self) -> str:
        """The product's version."""
        return self.product.etag


class ShownProduct(PublicProduct, frozen=True, kw_only=True):
    """A product; with the verdict of moderation, and whether it is on sale, if its seller or an admin asks."""

    moderation: Moderation | UnsetType = UNSET
    on_sale: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class ProductShown(Tagged, frozen=True):
    """The requested product."""

    product: ShownProduct

    @property
    def etag(self) -> str:
        """The product's version."""
        return self.product.etag


class StockLevel(Struct, frozen=True):
    """A product's title, and the units that could be bought before a statement changed them."""

    title: str
    stock: int


class Offer(StockLevel, frozen=True):
    """The current title, stock, shop and price of a product for sale."""

    product_id: UUID
    shop_id: UUID
    price: Price


def shown_product(product: Product, *, to_owner: bool) -> ProductShown:
    """Return a reply with a product, as its seller and admins see it or as anybody does."""
    shown = Product if to_owner else PublicProduct
    return ProductShown(ShownProduct(**{name: getattr(product, name) for name in shown.__struct_fields__}))


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of a list or a search; the bounds of the price are included."""

    category: str | None = None
    shop_id: UUID | None = None
    price_min: int = 0
    price_max: int = MAX_AMOUNT
    in_stock: bool = False

    @property
    def need_rows(self) -> bool:
        """Whether they depend on more than the indexes of lists have."""
        return self.in_stock or self.price_min > 0 or self.price_max < MAX_AMOUNT

    @property
    def identity(self) -> tuple[object, ...]:
        """The filters as a cursor names them."""
        category = self.category and self.category.lower()
        return category, self.shop_id, self.price_min, self.price_max, self.in_stock


OwnStatus = Literal["active", "pending", "rejected", "off-sale", "archived"]
"""The status of a product in the list of its seller: the decision of moderation holds for those on sale only."""


class OwnFilters(Struct, frozen=True, kw_only=True):
    """The filters of a seller's own products: a part of the title ("" for any), a status, and the highest stock."""

    title: str
    status: OwnStatus | None
    stock_max: int


class CategoryCount(Struct, frozen=True):
    """A category and its number of products for sale; its id and slug follow from its name, whatever the case."""

    id: UUID
    slug: Annotated[Slug, Meta(examples=["lighting"])]
    name: CategoryName
    parent_id: Annotated[UUID | None, Meta(description="Null: categories have no parents yet.")]
    products: Count


def category_of(key: str, name: str, products: int) -> CategoryCount:
    """Return a category: `key` is its name in lower case.

    The slug of a name of other than plain words ends with a part of the id: "home & garden" and "home garden" differ.
    """
    category_id = uuid5(NAMESPACE_URL, f"urn:nextbuy:category:{key}")
    words = slug_words(key, MAX_SLUG_TITLE)
    is_plain = words.replace("-", " ") == key
    slug = words if is_plain else f"{words}-{category_id.hex[:6]}".strip("-")
    return CategoryCount(category_id, slug, name, None, products)


def slug_of(title: str, suffix: str) -> str:
    """Return a product's slug: the title in ASCII, and a suffix that makes it unique and not empty."""
    words = slug_words(title, MAX_SLUG_TITLE)
    return f"{words}-{suffix}" if words else suffix


def picture_path(product_id: UUID, title: str, category: str) -> str:
    """Return the path of a product's picture, which changes with the picture: it is drawn from title and category."""
    version = blake2b(f"{title}\0{category}".encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"/product/api/picture/{product_id}?v={version}"


def tidy(text: str) -> str:
    """Collapse white space to single spaces."""
    return " ".join(text.split())


def tidy_tags(tags: Sequence[str]) -> list[str]:
    """Tidy tags and remove duplicates, in the given order."""
    return list(dict.fromkeys(tidy(tag) for tag in tags))


def without_idle_minus(text: str) -> str:
    """Return a search without each minus that excludes no word: PostgreSQL fails on a row of 33."""
    return _IDLE_MINUS.sub(" ", text)


def search_terms(text: str) -> tuple[str, str]:
    """Split a search into whole words and a prefix ("" for none).

    The last word may be incomplete, so it is the prefix: "kett" finds kettles. A search with quotes, `or` or a minus is
    taken literally.
    """
    match = None if _OPERATORS.search(text) else _LAST_WORD.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


class ShopState(Struct, frozen=True):
    """The part of a shop that product stores: what its products show, and whether they are for sale."""

    shop_id: UUID
    seller_id: UUID
    name: str
    slug: str
    """Empty if it is not known."""
    status: ShopStatus
    version: int


def shop_state(shop: Shop) -> ShopState:
    """Return the part of a shop that product stores."""
    return ShopState(shop.id, shop.seller_id, shop.name, shop.slug, shop.status, shop.version)


def require_listing_allowed(shop: Shop) -> None:
    """Check that a shop may list products; a shop that waits for approval may.

    Raises:
        Forbidden: the shop was rejected or suspended.
    """
    if shop.status in ("rejected", "suspended"):
        raise ShopNotAllowed(f"“{shop.name}” is {shop.status} and cannot list products. We notify you if this changes.")


def check_lines(lines: Sequence[Line]) -> list[Line]:
    """Check the lines of a basket and merge lines of the same product.

    Raises:
        Unprocessable: the number of lines (`invalid-lines`) or a quantity (`invalid-quantity`) is out of range.
    """
    if not 0 < len(lines) <= MAX_LINES:
        raise InvalidLines(f"Invalid basket. It must have 1 to {MAX_LINES} lines.")
    for line in lines:
        if not 0 < line.quantity <= MAX_STOCK:
            raise InvalidQuantity(f"Invalid quantity {line.quantity}. It must be 1 to {MAX_STOCK}.")
    return merge_lines(lines)


def price_lines(lines: Sequence[Line], offers: Mapping[UUID, Offer]) -> list[QuotedLine]:
    """Return merged lines with the titles, shops and prices of their offers.

    Raises:
        NotFound: a product is not for sale (`product-not-found`).
        Conflict: too few units of a product are left (`sold-out`).
    """
    require_stock(lines, offers)
    return [
        QuotedLine(line.product_id, offer.shop_id, offer.title, line.quantity, offer.price)
        for line in lines
        for offer in (offers[line.product_id],)
    ]


def require_stock(lines: Sequence[Line], levels: Mapping[UUID, StockLevel]) -> None:
    """Check that enough units of every product are in stock.

    Raises:
        NotFound: a product is not for sale (`product-not-found`).
        Conflict: too few units of a product are left (`sold-out`).
    """
    for line in lines:
        if line.product_id not in levels:
            raise ProductNotFound(f"Product {line.product_id} is not for sale. Remove it from the basket.")
    for line in lines:
        level = levels[line.product_id]
        if level.stock < line.quantity:
            raise sold_out(level.title, level.stock)


def sold_out(title: str, stock: int) -> Conflict:
    """Return the error for a basket with more units of a product than are left."""
    if stock == 0:
        message = f"“{title}” is sold out. Remove it from the basket."
    else:
        message = f"Only {stock} of “{title}” {'is' if stock == 1 else 'are'} left. Reduce the quantity."
    return SoldOut(message)


def changed_stock(product: Product, change: int) -> int:
    """Return a product's stock after a change by a number of units.

    Raises:
        Conflict: fewer units are in stock, or they would become more than `MAX_STOCK` (`stock-out-of-range`).
    """
    stock = product.stock + change
    if stock < 0:
        raise StockOutOfRange(
            f"Only {product.stock} of “{product.title}” {'is' if product.stock == 1 else 'are'} in stock. Take fewer.",
            field="stock_change",
        )
    if change > 0 and stock > MAX_STOCK:
        raise StockOutOfRange(
            f"“{product.title}” would have {stock:,} units in stock. Add fewer; the limit is {MAX_STOCK:,}.",
            field="stock_change",
        )
    return stock


def require_admin_review(verdict: Moderation, reason: str) -> Moderation:
    """Return the verdict on a change of an admin-rejected product: never active, since an admin must approve it."""
    if verdict.decision != "active":
        return verdict
    return replace(
        verdict, decision="pending", reasons=[*verdict.reasons, Finding(REJECTED_RULE, 0, "product", reason)]
    )


def with_admin_reason(moderation: Moderation, reason: str) -> Moderation:
    """Return a moderation with an admin's reason ("" for none) instead of any earlier one."""
    reasons = [earlier for earlier in moderation.reasons if earlier.rule not in (ADMIN_RULE, REJECTED_RULE)]
    if reason:
        reasons.append(Finding(ADMIN_RULE, 0, "product", reason))
    return replace(moderation, reasons=reasons)


def admin_reason(moderation: Moderation) -> str:
    """Return the admin's reason for a rejection, or ""."""
    return next((reason.excerpt for reason in moderation.reasons if reason.rule in (ADMIN_RULE, REJECTED_RULE)), "")


def updated_event(product: Product, seller_id: UUID, changed: list[str]) -> ProductUpdated:
    """Return the event of a seller's changes of a product, with the names of the changed fields."""
    return ProductUpdated(
        product_id=product.id,
        shop_id=product.shop_id,
        seller_id=seller_id,
        title=product.title,
        status=product.status,
        on_sale=product.on_sale,
        fields=changed,
    )


def moderation_events(product: Product, seller_id: UUID) -> list[Event]:
    """Return the event of a verdict by automatic moderation on a product on sale; an active product has none."""
    moderation = product.moderation
    if product.status == "pending":
        return [
            ProductPending(
                product_id=product.id,
                shop_id=product.shop_id,
                seller_id=seller_id,
                title=product.title,
                status="pending",
                score=moderation.score,
                rules=[reason.rule for reason in moderation.reasons if reason.points <= 0],
            )
        ]
    if product.status == "rejected":
        return [
            ProductRejected(
                product_id=product.id,
                shop_id=product.shop_id,
                seller_id=seller_id,
                title=product.title,
                status="rejected",
                reason="",
                findings=[reason for reason in moderation.reasons if reason.points < 0],
                by=None,
            )
        ]
    return []
