"""The SQL of searches: a bounded number of matches is found by index, then filtered, then ranked or sorted."""

from datetime import datetime
from functools import cache
from typing import Final, Literal
from uuid import UUID

from msgspec.structs import asdict

from nextbuy.kit.http.paging import decode_cursor
from nextbuy.kit.storage.database import Executor
from nextbuy.product.model import Filters
from nextbuy.product.store.lists import ORDERS, PageIds, next_cursor_of
from nextbuy.product.store.products import FOR_SALE

SearchSort = Literal["relevance", "latest", "price-low", "price-high"]

MAX_MATCHES: Final = 5_000
"""The highest number of matches that are filtered or sorted: about 15 ms."""
CANDIDATES: Final = 200
"""The highest number of matches that are ranked; matches in the title come first."""
_POPULARITY_LEVELS: Final = 1_000
"""Values of `activity.popularity`, which orders equal matches."""
_IN_STOCK: Final = 1_000_000_000 * _POPULARITY_LEVELS
"""Added to the rank of a product in stock; more than any rank."""


_ASKED: Final = (
    "asked AS MATERIALIZED (SELECT websearch_to_tsquery('english', $1) && to_tsquery('english', $2) AS words)"
)
_IN_TITLE: Final = "to_tsvector('english', p.title) @@ (SELECT words FROM asked)"
_IN_TEXT: Final = "p.search @@ (SELECT words FROM asked)"
_PASSES: Final = "price_amount BETWEEN $6 AND $7 AND (stock > 0 OR NOT $8)"


@cache
def search_query(sort: SearchSort, *, by_category: bool, by_shop: bool, need_rows: bool) -> tuple[str, tuple[str, ...]]:
    """Return the query of a search and the names of its parameters after the words, the prefix and the limit.

    Args:
        sort: the order.
        by_category: whether it is limited to a category.
        by_shop: whether it is limited to a shop.
        need_rows: whether it is limited to a price range or to products in stock.
    """
    names = (
        *("position", "position_id"),
        *(["price_min", "price_max", "in_stock"] if need_rows else []),
        *(["category"] if by_category else []),
        *(["shop_id"] if by_shop else []),
    )
    at = {name: f"${number}" for number, name in enumerate(names, 4)}
    equal = "".join(
        [
            *([f" AND lower(p.category) = lower({at['category']})"] if by_category else []),
            *([f" AND p.shop_id = {at['shop_id']}"] if by_shop else []),
        ]
    )
    passes = f" WHERE {_PASSES}" if need_rows else ""
    matches = "SELECT p.id, p.stock, p.search, p.price_amount, p.created_at FROM"
    if sort != "relevance":
        column, beyond, direction = ORDERS[sort]
        kind = "timestamptz" if column == "created_at" else "bigint"
        sql = f"""
WITH {_ASKED}, found AS MATERIALIZED ({matches} {FOR_SALE} WHERE {_IN_TEXT}{equal} LIMIT {MAX_MATCHES}),
passing AS (SELECT id, {column} FROM found{passes})
SELECT id::text, {column} FROM passing p
 WHERE $4::{kind} IS NULL OR ({column}, p.id) {beyond} ($4, $5::uuid)
 ORDER BY {column} {direction}, p.id {direction} LIMIT $3
"""  # noqa: S608  made of constants, as below
    else:
        # Whole texts are searched only if the titles have too few matches.
        sql = f"""
WITH {_ASKED}, found AS (
    SELECT DISTINCT ON (id) id, stock, search FROM (
        SELECT * FROM (
            ({matches} {FOR_SALE} WHERE {_IN_TITLE}{equal} LIMIT {MAX_MATCHES})
            UNION ALL
            ({matches} {FOR_SALE} WHERE {_IN_TEXT}{equal} LIMIT {MAX_MATCHES})
        ) AS matches{passes} LIMIT {CANDIDATES}
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
    return sql, names


async def search(
    db: Executor, terms: tuple[str, str], sort: SearchSort, filters: Filters, *, limit: int, cursor: str | None
) -> PageIds:
    """Find products for sale by words and the prefix of one more word ("" for none).

    By relevance, products in stock come first, then the best match.
    """
    words, prefix = terms
    column = "rank" if sort == "relevance" else ORDERS[sort][0]
    listed = ("search", words, prefix, sort, *filters.identity)
    position, position_id = (None, None)
    if cursor is not None:
        position, position_id = decode_cursor(listed, cursor, datetime if column == "created_at" else int, UUID)
    sql, names = search_query(
        sort, by_category=bool(filters.category), by_shop=bool(filters.shop_id), need_rows=filters.need_rows
    )
    values = {**asdict(filters), "position": position, "position_id": position_id}
    rows = await db.fetch(sql, words, f"{prefix}:*" if prefix else "", limit + 1, *(values[name] for name in names))
    return PageIds([row["id"] for row in rows[:limit]], next_cursor_of(listed, rows, limit, column))
