"""Products in lists: a page begins where the last one ended (keyset), and each order has its index.

What anyone may see is chosen here and no more than chosen: which products, in what order. What they look like is on
the shelf for most of them, so reading whole rows here would be for nothing.
"""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import Decision, Product
from nextbuy.contracts.values import Page
from nextbuy.kit.http.paging import Part, decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row
from nextbuy.product.store.products import COLUMNS, FOR_SALE, OwnProduct, fields_of, product_of

Sort = Literal["latest", "price-low", "price-high"]

CANDIDATES: Final = 200
"""Finds that are ranked, at most: those whose title matches come first."""
_POPULARITIES: Final = 1_000
"""How many there are (`activity.popularity`): of finds that fit equally well the more popular one comes first."""
_IN_STOCK: Final = 1_000_000_000 * _POPULARITIES
"""What a find has before others by being in stock: more than any rank."""

_ORDERS: Final[dict[Sort, tuple[str, str, str]]] = {
    "latest": ("created_at", "<", "DESC"),
    "price-low": ("price_amount", ">", "ASC"),
    "price-high": ("price_amount", "<", "DESC"),
}
_STATUS: Final = f"""
SELECT {COLUMNS} FROM products p
 WHERE p.status = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) > ($3, $4::uuid))
 ORDER BY p.created_at, p.id LIMIT $2
"""  # noqa: S608  made of constants, as all below
_OWN: Final = f"""
SELECT {COLUMNS} FROM products p
 WHERE p.seller_id = $1 AND ($3::timestamptz IS NULL OR (p.created_at, p.id) < ($3, $4::uuid))
 ORDER BY p.created_at DESC, p.id DESC LIMIT $2
"""  # noqa: S608
SEARCH: Final = f"""
WITH asked AS MATERIALIZED (SELECT websearch_to_tsquery('english', $1) && to_tsquery('english', $2) AS words),
found AS (
    -- Looking into whole texts begins only where the titles have not given enough.
    SELECT DISTINCT ON (id) id, stock, search FROM (
        SELECT id, stock, search FROM (
            SELECT p.id, p.stock, p.search FROM {FOR_SALE}
             WHERE to_tsvector('english', p.title) @@ (SELECT words FROM asked)
            UNION ALL
            SELECT p.id, p.stock, p.search FROM {FOR_SALE} WHERE p.search @@ (SELECT words FROM asked)
        ) AS finds LIMIT {CANDIDATES}
    ) AS first_finds
), ranked AS MATERIALIZED (
    SELECT id, (ts_rank_cd(search, (SELECT words FROM asked)) * 1000000)::bigint * {_POPULARITIES}
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


def _for_sale(sort: Sort, *, by_category: bool, goes_on: bool) -> str:
    column, beyond, direction = _ORDERS[sort]
    conditions = [
        *(["lower(p.category) = lower($2)"] if by_category else []),
        *([f"(p.{column}, p.id) {beyond} (${by_category + 2}, ${by_category + 3})"] if goes_on else []),
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT p.id::text, p.{column} FROM {FOR_SALE} {where}"  # noqa: S608
        f" ORDER BY p.{column} {direction}, p.id {direction} LIMIT $1"
    )


FOR_SALE_BY: Final = {
    (sort, by_category, goes_on): _for_sale(sort, by_category=by_category, goes_on=goes_on)
    for sort in _ORDERS
    for by_category in (False, True)
    for goes_on in (False, True)
}


class Chosen(Struct, frozen=True):
    """The products of a page, by id, and where the list goes on."""

    ids: list[str]
    next_cursor: str | None


def _moment(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    if cursor is None:
        return None, None
    at, product_id = decode_cursor(cursor, datetime, UUID)
    if at.tzinfo is None or not 1 < at.year < 9999:  # noqa: PLR2004  neither end survives a change of zone
        raise Unprocessable("This cursor is none of ours; begin the list anew.", slug="bad-cursor")
    return at, product_id


def _more(rows: list[Row], limit: int, column: str) -> str | None:
    """Return where the list goes on; one row more than `limit` was asked for, to know whether it does."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    parts: tuple[Part, Part] = (last[column], last["id"])
    return encode_cursor(*parts)


async def for_sale(reader: Executor, sort: Sort, category: str | None, *, limit: int, cursor: str | None) -> Chosen:
    """Choose products that can be bought, or could but for their stock."""
    column = _ORDERS[sort][0]
    after: tuple[object, ...] = ()
    if cursor is not None:
        after = _moment(cursor) if column == "created_at" else decode_cursor(cursor, int, UUID)
    filters = () if category is None else (category,)
    sql = FOR_SALE_BY[sort, category is not None, cursor is not None]
    rows = await reader.fetch(sql, limit + 1, *filters, *after)
    return Chosen([row["id"] for row in rows[:limit]], _more(rows, limit, column))


async def found(reader: Executor, words: str, beginning: str, *, limit: int, cursor: str | None) -> Chosen:
    """Choose products for sale with these words and one that begins so; what is in stock first, best first."""
    rank, product_id = (None, None) if cursor is None else decode_cursor(cursor, int, UUID)
    rows = await reader.fetch(SEARCH, words, f"{beginning}:*" if beginning else "", limit + 1, rank, product_id)
    return Chosen([row["id"] for row in rows[:limit]], _more(rows, limit, "rank"))


async def in_status(reader: Executor, status: Decision, *, limit: int, cursor: str | None) -> Page[Product]:
    """Return products in a state, oldest first."""
    rows = await reader.fetch(_STATUS, status, limit + 1, *_moment(cursor))
    return Page([product_of(row) for row in rows[:limit]], _more(rows, limit, "created_at"))


async def of_seller(reader: Executor, seller_id: UUID, *, limit: int, cursor: str | None) -> Page[OwnProduct]:
    """Return a seller's products in every state, latest first."""
    rows = await reader.fetch(_OWN, seller_id, limit + 1, *_moment(cursor))
    items = [OwnProduct(**fields_of(row), held=row["held"], sold=row["sold"]) for row in rows[:limit]]
    return Page(items, _more(rows, limit, "created_at"))
