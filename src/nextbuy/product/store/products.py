"""The SQL of single products: insert, read, lock and change."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from nextbuy.contracts.product import Moderation, Product
from nextbuy.contracts.product_offers import ProductOffer
from nextbuy.contracts.product_version import ProductVersion
from nextbuy.contracts.values import CategoryName, Price, ProductTitle, ShopName, ShopSlug
from nextbuy.kit.storage.database import Executor, Row, Transaction, from_row
from nextbuy.product.model import Offer, picture_path
from nextbuy.product.versions import Versions

COLUMNS: Final = (
    "p.id, p.slug, p.title, p.description, p.category, p.price_amount, p.currency, p.stock, p.tags, p.status,"
    " p.decision, p.shop_id, p.moderation, p.created_at, p.seller_id, p.held, p.sold,"
    " p.content_version, p.xmin,"
    " s.name AS shop_name, coalesce(s.slug, s.shop_id::text) AS shop_slug"
)
OF_SHOPS: Final = "products p JOIN shops s ON s.shop_id = p.shop_id"
FOR_SALE: Final = f"{OF_SHOPS} AND s.approved AND p.status = 'active'"
SEARCH_VECTOR: Final = (
    "setweight(to_tsvector('english', {title}), 'A')"
    " || setweight(to_tsvector('english', array_to_string({tags}, ' ') || ' ' || {category}), 'B')"
    " || setweight(to_tsvector('english', {description}), 'C')"
)

_OFF_SALE: Final = "off-sale"
_ARCHIVED_STATUS: Final = "archived"
_WITHDRAWN: Final = frozenset({_OFF_SALE, _ARCHIVED_STATUS})
"""The stored statuses of products that their seller does not offer; the decision of moderation is beside them."""
_VERSION: Final = "content_version, xmin"

_INSERT: Final = f"""
INSERT INTO products (id, shop_id, seller_id, slug, title, description, category, price_amount, currency, stock, tags,
                      status, decision, moderation, accepted_amount, search)
VALUES ($1, $2, $3, $4, $5::text, $6::text, $7::text, $8, $9, $10, $11::text[], $12, $13, $14, $8,
        {SEARCH_VECTOR.format(title="$5::text", tags="$11::text[]", category="$7::text", description="$6::text")})
ON CONFLICT (slug) DO NOTHING
RETURNING created_at, {_VERSION}
"""  # noqa: S608  made of constants, as all below
_UPDATE: Final = f"""
UPDATE products
   SET title = $2::text, description = $3::text, category = $4::text, price_amount = $5, currency = $6, stock = $7,
       tags = $8::text[], status = $9, decision = $10, moderation = $11, changed_in = pg_current_xact_id(),
       content_changed_at = CASE WHEN content_version = $12 THEN content_changed_at ELSE now() END,
       content_version = $12, field_versions = $13,
       decided_by = CASE WHEN content_version = $12 THEN decided_by END,
       search = {SEARCH_VECTOR.format(title="$2::text", tags="$8::text[]", category="$4::text", description="$3::text")}
 WHERE id = $1
RETURNING {_VERSION}
"""  # noqa: S608  made of constants
_DECIDE: Final = f"""
UPDATE products
   SET status = $2::text, decision = $3::text, moderation = $4, decided_by = $5, content_version = $6,
       field_versions = $7,
       rejected_by = CASE WHEN coalesce($3, $2) = 'rejected' THEN $5::uuid END,
       accepted_amount = CASE WHEN coalesce($3, $2) = 'active' THEN price_amount ELSE accepted_amount END,
       changed_in = pg_current_xact_id()
 WHERE id = $1
RETURNING {_VERSION}
"""  # noqa: S608  made of constants
_OFFERS: Final = (
    f"SELECT p.id, p.shop_id, p.title, p.price_amount, p.currency, p.stock FROM {FOR_SALE} WHERE p.id = ANY($1)"  # noqa: S608
)
_SHOWN_OFFERS: Final = f"""
SELECT p.id, p.shop_id, p.slug, p.title, p.category, p.price_amount, p.currency, p.stock, s.name AS shop_name,
       coalesce(s.slug, s.shop_id::text) AS shop_slug
  FROM {FOR_SALE} WHERE p.id = ANY($1)
"""  # noqa: S608
_PUBLIC: Final = f"SELECT {COLUMNS} FROM {FOR_SALE} WHERE p."  # noqa: S608
_PUBLIC_BY_IDS: Final = f"{_PUBLIC}id = ANY($1)"
_ARCHIVED: Final = f"""
SELECT p.id, p.title, p.category, s.name AS shop_name, coalesce(s.slug, s.shop_id::text) AS shop_slug
  FROM {OF_SHOPS} AND p.status = 'archived' AND p.decision = 'active' AND s.approved WHERE p."""  # noqa: S608
_ANY: Final = f"SELECT {COLUMNS} FROM {OF_SHOPS} WHERE p."  # noqa: S608
_LOCK: Final = (
    f"SELECT {COLUMNS}, p.accepted_amount, p.rejected_by, p.field_versions, p.decided_by"  # noqa: S608
    f" FROM {OF_SHOPS} WHERE p.id = $1 FOR NO KEY UPDATE OF p"
)

_PICTURE_SUBJECT: Final = (
    "SELECT p.title, p.category, p.seller_id, s.approved AND p.status = 'active' AS public"  # noqa: S608
    f" FROM {OF_SHOPS} WHERE p.id = $1"
)


class PictureSubject(Struct, frozen=True):
    """The fields from which a picture is drawn, and who may see it: anybody, if the product is public."""

    title: str
    category: str
    seller_id: UUID
    public: bool


class ArchivedProduct(Struct, frozen=True):
    """The public rest of a product that its seller has archived; moderation accepts it, and its shop is open."""

    id: UUID
    title: Annotated[ProductTitle, Meta(min_length=1)]
    category: CategoryName
    shop_name: ShopName
    shop_slug: ShopSlug


class OwnedProduct(Struct, frozen=True):
    """A product and its seller."""

    product: Product
    seller_id: UUID


class LockedProduct(Struct, frozen=True):
    """A product locked until the transaction ends, with the fields that only its rules need."""

    product: Product
    seller_id: UUID
    accepted_amount: int
    rejected_by: UUID | None
    decided_by: UUID | None
    held: int
    versions: Versions


class OwnProduct(Product, frozen=True, kw_only=True):
    """A product as its seller sees it, with the units that are held and sold."""

    held: int
    sold: int


_moderation: Final = msgspec.json.Decoder(Moderation).decode
_field_versions: Final = msgspec.json.Decoder(dict[str, int]).decode


def computed_fields(row: Row) -> Mapping[str, Any]:
    """Return the fields of a product that are not columns of the same names."""
    withdrawn = row["status"] in _WITHDRAWN
    return {
        "status": row["decision"] if withdrawn else row["status"],
        "on_sale": not withdrawn,
        "archived": row["status"] == _ARCHIVED_STATUS,
        "etag": _version(row).etag,
        "price": Price(row["price_amount"], row["currency"]),
        "picture": picture_path(row["id"], row["title"], row["category"]),
        "moderation": _moderation(row["moderation"]),
    }


def _version(row: Row) -> ProductVersion:
    return ProductVersion(row["content_version"], row["xmin"])


def product_from_row(row: Row) -> Product:
    """Return the product in a row of `COLUMNS`."""
    return from_row(Product, row, **computed_fields(row))


def _status_columns(product: Product) -> tuple[str, str | None]:
    """Return the stored status and, of a product that its seller does not offer, the decision of moderation."""
    if product.on_sale:
        return product.status, None
    return _ARCHIVED_STATUS if product.archived else _OFF_SALE, product.status


def _columns(product: Product) -> tuple[object, ...]:
    """Return the values of the columns that both statements write, in their order."""
    price, moderation = product.price, msgspec.json.encode(product.moderation).decode()
    return (
        *(product.title, product.description, product.category, price.amount, price.currency),
        *(product.stock, product.tags, *_status_columns(product), moderation),
    )


async def insert(tx: Transaction, product: Product, seller_id: UUID) -> Product | None:
    """Insert a product and return it with its version and time of creation, or return None if its slug is taken."""
    row = await tx.fetchrow(_INSERT, product.id, product.shop_id, seller_id, product.slug, *_columns(product))
    return None if row is None else replace(product, etag=_version(row).etag, created_at=row["created_at"])


async def lock(tx: Transaction, product_id: UUID) -> LockedProduct | None:
    """Return a product and lock it until the transaction ends, or return None."""
    row = await tx.fetchrow(_LOCK, product_id)
    if row is None:
        return None
    versions = Versions(_version(row), _field_versions(row["field_versions"]))
    return from_row(LockedProduct, row, product=product_from_row(row), versions=versions)


async def update(tx: Transaction, product: Product, versions: Versions) -> Product:
    """Store a seller's changes of a locked product, and return it with its new version and picture."""
    [row] = await tx.fetch(_UPDATE, product.id, *_columns(product), *_version_columns(versions))
    picture = picture_path(product.id, product.title, product.category)
    return replace(product, etag=_version(row).etag, picture=picture)


async def set_decision(tx: Transaction, product: Product, versions: Versions, *, by: UUID) -> Product:
    """Store an admin's decision about a locked product, and return it with its new version."""
    moderation = msgspec.json.encode(product.moderation).decode()
    [row] = await tx.fetch(_DECIDE, product.id, *_status_columns(product), moderation, by, *_version_columns(versions))
    return replace(product, etag=_version(row).etag)


def _version_columns(versions: Versions) -> tuple[int, str]:
    return versions.current.content, msgspec.json.encode(versions.fields).decode()


async def read(db: Executor, key: UUID | str, *, public: bool) -> OwnedProduct | None:
    """Return a product by its id or slug, or None; with `public`, only a product for sale."""
    sql = f"{_PUBLIC if public else _ANY}{'id' if isinstance(key, UUID) else 'slug'} = $1"
    row = await db.fetchrow(sql, key)
    return None if row is None else OwnedProduct(product_from_row(row), row["seller_id"])


async def read_archived(db: Executor, key: UUID | str) -> ArchivedProduct | None:
    """Return what remains public of an archived product, by its id or slug, or None."""
    row = await db.fetchrow(f"{_ARCHIVED}{'id' if isinstance(key, UUID) else 'slug'} = $1", key)
    return None if row is None else from_row(ArchivedProduct, row)


async def read_public(db: Executor, product_ids: list[str]) -> list[OwnedProduct]:
    """Return the products for sale among these ids, in any order."""
    return [
        OwnedProduct(product_from_row(row), row["seller_id"]) for row in await db.fetch(_PUBLIC_BY_IDS, product_ids)
    ]


async def get_offers(db: Executor, product_ids: list[UUID]) -> dict[UUID, Offer]:
    """Return the offers of the products for sale among these ids."""
    rows = await db.fetch(_OFFERS, product_ids)
    return {
        row["id"]: from_row(Offer, row, product_id=row["id"], price=Price(row["price_amount"], row["currency"]))
        for row in rows
    }


async def get_shown_offers(db: Executor, product_ids: list[UUID]) -> list[ProductOffer]:
    """Return the products for sale among these ids, as a basket shows them."""
    return [
        from_row(
            ProductOffer,
            row,
            product_id=row["id"],
            unit_price=Price(row["price_amount"], row["currency"]),
            picture=picture_path(row["id"], row["title"], row["category"]),
        )
        for row in await db.fetch(_SHOWN_OFFERS, product_ids)
    ]


async def read_picture_subject(db: Executor, product_id: UUID) -> PictureSubject | None:
    """Return what the picture of a product is drawn from, or None."""
    row = await db.fetchrow(_PICTURE_SUBJECT, product_id)
    return None if row is None else from_row(PictureSubject, row)
