"""Lists of products, paged by keyset; each sort order has its own index.

Public lists return product ids only: most of the products are in the cache, so whole rows are not needed here.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.product import Decision, Product
from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, from_row
from nextbuy.product.store.products import COLUMNS, FOR_SALE, OF_SHOPS, OwnProduct, computed_fields, product_from_row

Sort = Literal["latest", "price-low", "price-high"]

CANDIDATES: Final = 200
"""The highest number of matches that are ranked; matches in the title come first."""
_POPULARITY_LEVELS: Final = 1_000
"""Values of `activity.popularity`, which orders equal matches."""
_IN_STOCK: Final = 1_000_000_000 * _POPULARITY_LEVELS
"""Added to the rank of a product in stock; more than any rank."""

_ORDERS: Final[dict[Sort, tuple[str, str, str]]] = {
    "latest": ("created_at", "<", "DESC"),
    "price-low": ("price_amount", ">", "ASC"),
    "price-high": ("price_amount", "<", "DESC"),
}
_BY_STATUS: Final = f"""
SELECT {COLUMNS} FROM {OF_SHOPS}
 WHERE p.status = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) > ($3, $4::uuid))
 ORDER BY p.created_at, p.id LIMIT $2
"""  # noqa: S608  made of constants, as all below
_BY_SELLER: Final = f"""
SELECT {COLUMNS} FROM {OF_SHOPS}
 WHERE p.seller_id = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) < ($3, $4::uuid))
 ORDER BY p.created_at DESC, p.id DESC LIMIT $2
"""  # noqa: S608
SEARCH: Final = f"""
WITH asked AS MATERIALIZED (SELECT websearch_to_tsquery('english', $1) && to_tsquery('english', $2) AS words),
found AS (
    -- Whole texts are searched only if the titles have too few matches.
    SELECT DISTINCT ON (id) id, stock, search FROM (
        SELECT id, stock, search FROM (
            SELECT p.id, p.stock, p.search FROM {FOR_SALE}
             WHERE to_tsvector('english', p.title) @@ (SELECT words FROM asked)
            UNION ALL
            SELECT p.id, p.stock, p.search FROM {FOR_SALE} WHERE p.search @@ (SELECT words FROM asked)
        ) AS matches LIMIT {CANDIDATES}
    ) AS first_matches
), ranked AS MATERIALIZED (
    SELECT id, (ts_rank_cd(search, (SELECT words FROM asked)) * 1000000)::bigint * {_POPULARITY_LEVELS}
               + coalesce((SELECT popularity FROM activity a WHERE a.product_id = found.id), 0)
               + CASE WHEN stock > 0 THEN {_IN_STOCK} ELSE 0 END AS rank
      FROM found
), best AS (
    SELECT id, rank FROM ranked
     WHERE $4::bigint IS NULL OR (rank, id) < ($4, $5::uuid)
     ORDER BY rank DESC, id DESC LIMIT $3
)
SELECT id::text, rank FROM best ORDER BY rank DESC, best.id DESC
"""  # noqa: S608


def _for_sale(sort: Sort, *, by_category: bool, with_cursor: bool) -> str:
    column, beyond, direction = _ORDERS[sort]
    conditions = [
        *(["lower(p.category) = lower($2)"] if by_category else []),
        *([f"(p.{column}, p.id) {beyond} (${by_category + 2}, ${by_category + 3})"] if with_cursor else []),
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT p.id::text, p.{column} FROM {FOR_SALE} {where}"  # noqa: S608
        f" ORDER BY p.{column} {direction}, p.id {direction} LIMIT $1"
    )


FOR_SALE_QUERIES: Final = {
    (sort, by_category, with_cursor): _for_sale(sort, by_category=by_category, with_cursor=with_cursor)
    for sort in _ORDERS
    for by_category in (False, True)
    for with_cursor in (False, True)
}


class PageIds(Struct, frozen=True):
    """The product ids of a page, and the cursor of the next page."""

    ids: list[str]
    next_cursor: str | None


def _next_cursor(listed: tuple[object, ...], rows: list[Row], limit: int, column: str) -> str | None:
    """Return the cursor of the next page, if `rows` has one row more than the page."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return encode_cursor(listed, last[column], last["id"])


async def list_for_sale(db: Executor, sort: Sort, category: str | None, *, limit: int, cursor: str | None) -> PageIds:
    """List products for sale, sold-out ones included."""
    column = _ORDERS[sort][0]
    listed = ("for-sale", sort, category and category.lower())
    after: tuple[object, ...] = ()
    if cursor is not None:
        after = decode_cursor(listed, cursor, datetime if column == "created_at" else int, UUID)
    filters = () if category is None else (category,)
    sql = FOR_SALE_QUERIES[sort, category is not None, cursor is not None]
    rows = await db.fetch(sql, limit + 1, *filters, *after)
    return PageIds([row["id"] for row in rows[:limit]], _next_cursor(listed, rows, limit, column))


async def search(db: Executor, words: str, prefix: str, *, limit: int, cursor: str | None) -> PageIds:
    """Find products for sale by words and the prefix of one more word; in stock first, then the best match."""
    listed = ("search", words, prefix)
    rank, product_id = (None, None) if cursor is None else decode_cursor(listed, cursor, int, UUID)
    rows = await db.fetch(SEARCH, words, f"{prefix}:*" if prefix else "", limit + 1, rank, product_id)
    return PageIds([row["id"] for row in rows[:limit]], _next_cursor(listed, rows, limit, "rank"))


async def list_by_status(db: Executor, status: Decision, *, limit: int, cursor: str | None) -> Page[Product]:
    """List the products in a status, oldest first."""
    listed = ("products", status)
    after = (None, None) if cursor is None else decode_cursor(listed, cursor, datetime, UUID)
    rows = await db.fetch(_BY_STATUS, status, limit + 1, *after)
    return Page([product_from_row(row) for row in rows[:limit]], _next_cursor(listed, rows, limit, "created_at"))


async def list_by_seller(db: Executor, seller_id: UUID, *, limit: int, cursor: str | None) -> Page[OwnProduct]:
    """List a seller's products in any status, newest first."""
    listed = ("shop-products", seller_id)
    before = (None, None) if cursor is None else decode_cursor(listed, cursor, datetime, UUID)
    rows = await db.fetch(_BY_SELLER, seller_id, limit + 1, *before)
    items = [from_row(OwnProduct, row, **computed_fields(row)) for row in rows[:limit]]
    return Page(items, _next_cursor(listed, rows, limit, "created_at"))
