"""Lists of products, paged by keyset; each sort order has its own index.

Public lists return product ids only: most of the products are in the cache, so whole rows are not needed here.
"""

from datetime import datetime
from functools import cache
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from nextbuy.contracts.product import Decision, Product
from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, from_row
from nextbuy.product.model import Filters, OwnFilters
from nextbuy.product.store.products import COLUMNS, OF_SHOPS, OwnProduct, computed_fields, product_from_row

Sort = Literal["latest", "price-low", "price-high"]

IndexedBy = Literal["", "category", "shop_id"]

MAX_SCANNED: Final = 2_000
"""The highest number of products that a page examines: about 5 ms, however few of them pass the filters."""

ORDERS: Final[dict[Sort, tuple[str, str, str]]] = {
    "latest": ("created_at", "<", "DESC"),
    "price-low": ("price_amount", ">", "ASC"),
    "price-high": ("price_amount", "<", "DESC"),
}
_MAX_COUNTED: Final = 1_000
_BY_STATUS: Final = f"""
SELECT {COLUMNS} FROM {OF_SHOPS}
 WHERE p.status = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) > ($3, $4::uuid))
 ORDER BY p.created_at, p.id LIMIT $2
"""  # noqa: S608  made of constants, as all below
_BY_SELLER: Final = f"""
SELECT * FROM (
    SELECT {COLUMNS}, row_number() OVER (ORDER BY p.created_at DESC, p.id DESC) AS number,
           strpos(lower(p.title), lower($5)) > 0 AND p.stock <= $7
           AND CASE WHEN $6::text IS NULL THEN p.status <> 'archived' ELSE p.status = $6 END AS passes
      FROM {OF_SHOPS}
     WHERE p.seller_id = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) < ($3, $4::uuid))
     ORDER BY p.created_at DESC, p.id DESC LIMIT {MAX_SCANNED}
) AS p WHERE passes OR number = {MAX_SCANNED} ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608


@cache
def for_sale_query(sort: Sort, by: IndexedBy, *, need_rows: bool, with_cursor: bool) -> tuple[str, tuple[str, ...]]:
    """Return the query of a list and the names of its parameters.

    It reads an index in the order of the list and stops at the end of the page, or after `MAX_SCANNED` products, whose
    last one is returned too: the next page starts after it.

    Args:
        sort: the order.
        by: the filter whose index is read.
        need_rows: whether the filters depend on more than the index has.
        with_cursor: whether the page is not the first.
    """
    column, beyond, direction = ORDERS[sort]
    by_price = column == "price_amount"
    names = (
        "limit",
        *([by] if by else []),
        *(["price_min", "price_max", "in_stock"] if need_rows else []),
        *(["category"] if by == "shop_id" else []),
        *(["after", "after_id"] if with_cursor else []),
    )
    at = {name: f"${number}" for number, name in enumerate(names, 1)}
    price = "p.price_amount BETWEEN {price_min} AND {price_max}"
    where = [
        "p.status = 'active'",
        *(["lower(p.category) = lower({category})"] if by == "category" else []),
        *(["p.shop_id = {shop_id}"] if by == "shop_id" else []),
        *([price] if need_rows and by_price else []),
        *([f"(p.{column}, p.id) {beyond} ({{after}}, {{after_id}})"] if with_cursor else []),
    ]
    passes = [
        "s.approved",
        *([price] if need_rows and not by_price else []),
        *(["(p.stock > 0 OR NOT {in_stock})"] if need_rows else []),
        *(["({category}::text IS NULL OR lower(p.category) = lower({category}))"] if by == "shop_id" else []),
    ]
    order = f"p.{column} {direction}, p.id {direction}"
    sql = f"""
SELECT id::text, {column}, passes, number FROM (
    SELECT p.id, p.{column}, {" AND ".join(passes)} AS passes, row_number() OVER (ORDER BY {order}) AS number
      FROM {OF_SHOPS} WHERE {" AND ".join(where)} ORDER BY {order} LIMIT {MAX_SCANNED}
) AS p WHERE passes OR number = {MAX_SCANNED} ORDER BY {order} LIMIT {{limit}}
"""  # noqa: S608  made of constants
    return sql.format(**at), names


class PageIds(Struct, frozen=True):
    """The product ids of a page, and the cursor of the next page."""

    ids: list[str]
    next_cursor: str | None


def next_cursor_of(listed: tuple[object, ...], rows: list[Row], limit: int, column: str) -> str | None:
    """Return the cursor of the next page, if `rows` has one row more than the page."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return encode_cursor(listed, last[column], last["id"])


def _next_scanned(listed: tuple[object, ...], rows: list[Row], limit: int, column: str) -> str | None:
    """Return the cursor of the next page: after the last item, or after the last of `MAX_SCANNED` examined products."""
    next_cursor = next_cursor_of(listed, [row for row in rows if row["passes"]], limit, column)
    if next_cursor is None and rows and rows[-1]["number"] == MAX_SCANNED:
        return encode_cursor(listed, rows[-1][column], rows[-1]["id"])
    return next_cursor


async def list_for_sale(db: Executor, sort: Sort, filters: Filters, *, limit: int, cursor: str | None) -> PageIds:
    """List products for sale; with filters, a page may be short and still have a cursor."""
    column = ORDERS[sort][0]
    listed = ("for-sale", sort, *filters.identity)
    after, after_id = (None, None)
    if cursor is not None:
        after, after_id = decode_cursor(listed, cursor, datetime if column == "created_at" else int, UUID)
    by: IndexedBy = "shop_id" if filters.shop_id else "category" if filters.category else ""
    sql, names = for_sale_query(sort, by, need_rows=filters.need_rows, with_cursor=cursor is not None)
    values = {**asdict(filters), "limit": limit + 1, "after": after, "after_id": after_id}
    rows = await db.fetch(sql, *(values[name] for name in names))
    passing = [row["id"] for row in rows if row["passes"]]
    return PageIds(passing[:limit], _next_scanned(listed, rows, limit, column))


async def list_by_status(db: Executor, status: Decision, *, limit: int, cursor: str | None) -> Page[Product]:
    """List the products in a status, oldest first."""
    listed = ("products", status)
    after = (None, None) if cursor is None else decode_cursor(listed, cursor, datetime, UUID)
    rows = await db.fetch(_BY_STATUS, status, limit + 1, *after)
    return Page([product_from_row(row) for row in rows[:limit]], next_cursor_of(listed, rows, limit, "created_at"))


async def count_pending(db: Executor) -> int:
    """Return the number of products that wait for a decision, at most `_MAX_COUNTED`."""
    sql = "SELECT count(*) FROM (SELECT FROM products WHERE status = 'pending' LIMIT $1) AS pending"
    return int(await db.fetchval(sql, _MAX_COUNTED))


async def list_by_seller(
    db: Executor, seller_id: UUID, filters: OwnFilters, *, limit: int, cursor: str | None
) -> Page[OwnProduct]:
    """List a seller's products, newest first; a page may be short and still have a cursor, as of `list_for_sale`."""
    listed = ("shop-products", seller_id, filters.title.lower(), filters.status, filters.stock_max)
    before = (None, None) if cursor is None else decode_cursor(listed, cursor, datetime, UUID)
    rows = await db.fetch(_BY_SELLER, seller_id, limit + 1, *before, filters.title, filters.status, filters.stock_max)
    passing = [row for row in rows if row["passes"]]
    items = [from_row(OwnProduct, row, **computed_fields(row)) for row in passing[:limit]]
    return Page(items, _next_scanned(listed, rows, limit, "created_at"))
