"""The SQL of projection tables. Rows are added in a fixed order, so that concurrent consumers cannot deadlock."""

import random
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.analytics.aggregates import BestSeller, ProductHour, ProductTotal, ShopDay, TopicDay
from nextbuy.kit.storage.database import Executor, Transaction

_ADD_TOPIC_DAYS = """
INSERT INTO daily_figures AS d (generation, day, topic, shop_id, events, units, amount)
SELECT $1, * FROM unnest($2::date[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT (generation, day, topic, shop_id) DO UPDATE
   SET events = d.events + excluded.events, units = d.units + excluded.units, amount = d.amount + excluded.amount
"""
_ADD_PRODUCT_HOURS = """
INSERT INTO product_views AS p (generation, product_id, hour, shop_id, viewed, added, bought, amount)
SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[],
                         $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
ON CONFLICT (generation, product_id, hour) DO UPDATE
   SET viewed = p.viewed + excluded.viewed, added = p.added + excluded.added, bought = p.bought + excluded.bought,
       amount = p.amount + excluded.amount
"""
_ADD_PRODUCT_DAYS = """
INSERT INTO best_sellers AS b (generation, day, product_id, shop_id, units, amount, orders)
SELECT $1, * FROM unnest($2::date[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT (generation, day, product_id) DO UPDATE
   SET units = b.units + excluded.units, amount = b.amount + excluded.amount, orders = b.orders + excluded.orders
"""
_ADD_SHOP_DAYS = """
INSERT INTO seller_figures AS s (generation, shop_id, day, orders, units, amount, views)
SELECT $1, * FROM unnest($2::uuid[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT (generation, shop_id, day) DO UPDATE
   SET orders = s.orders + excluded.orders, units = s.units + excluded.units, amount = s.amount + excluded.amount,
       views = s.views + excluded.views
"""
_ADD_SHOP_OWNERS = """
INSERT INTO seller_shops (generation, seller_id, shop_id) SELECT $1, * FROM unnest($2::uuid[], $3::uuid[])
ON CONFLICT DO NOTHING
"""
_CURRENT = "(SELECT generation FROM projections WHERE name = '{}')"
_TOPIC_DAYS = f"""
SELECT day, topic, shop_id, events, units, amount FROM daily_figures
 WHERE generation = {_CURRENT.format("daily-figures")} AND day BETWEEN $1 AND $2
 ORDER BY day DESC, topic, shop_id LIMIT $3
"""  # noqa: S608  made of constants, as all below
_BEST_SELLERS = f"""
SELECT product_id, shop_id, sum(units)::bigint AS units FROM best_sellers
 WHERE generation = {_CURRENT.format("best-sellers")} AND day >= $1
 GROUP BY product_id, shop_id ORDER BY units DESC, product_id LIMIT $2
"""  # noqa: S608
_SHOPS_OF_SELLER = f"""
SELECT shop_id FROM seller_shops WHERE generation = {_CURRENT.format("seller-figures")} AND seller_id = $1
"""  # noqa: S608
_SHOP_DAYS = f"""
SELECT shop_id, day, orders, units, amount, views FROM seller_figures
 WHERE generation = {_CURRENT.format("seller-figures")} AND shop_id = ANY($1::uuid[]) AND day BETWEEN $2 AND $3
 ORDER BY day DESC, shop_id
"""  # noqa: S608
_PRODUCT_TOTALS = f"""
SELECT product_id, sum(viewed)::bigint AS viewed, sum(added)::bigint AS added, sum(bought)::bigint AS bought,
       sum(amount)::bigint AS amount
  FROM product_views
 WHERE generation = {_CURRENT.format("product-views")} AND shop_id = ANY($1::uuid[])
   AND hour >= $2 AND hour < $3
 GROUP BY product_id ORDER BY amount DESC, viewed DESC, product_id LIMIT $4
"""  # noqa: S608
_PRODUCT_HOURS = f"""
SELECT product_id, hour, shop_id, viewed, added, bought, amount FROM product_views
 WHERE generation = {_CURRENT.format("product-views")} AND product_id = $1 AND hour >= $2
   AND ($3::uuid[] IS NULL OR shop_id = ANY($3))
 ORDER BY hour DESC LIMIT $4
"""  # noqa: S608


_SHARDS: Final = 8
"""Rows over which the count of a projection's events is spread, so that concurrent consumers seldom wait."""
_COUNT: Final = """
INSERT INTO projection_counts AS c (generation, name, shard, events) VALUES ($1, ${}, ${}, ${})
ON CONFLICT (generation, name, shard) DO UPDATE SET events = c.events + excluded.events
"""
_ADD: Final = {
    "daily_figures": _ADD_TOPIC_DAYS,
    "product_views": _ADD_PRODUCT_HOURS,
    "best_sellers": _ADD_PRODUCT_DAYS,
    "seller_figures": _ADD_SHOP_DAYS,
    "seller_shops": _ADD_SHOP_OWNERS,
}


async def add_rows(tx: Transaction, table: str, generation: int, rows: Sequence[Struct]) -> None:
    """Add sums to the rows of a generation; `rows` are sorted and all of one class."""
    if rows:
        await tx.execute(_ADD[table], generation, *_columns(rows))


async def add_counted_rows(
    tx: Transaction, table: str, generation: int, rows: Sequence[Struct], *, name: str, events: int
) -> None:
    """Add sums as `add_rows` does and, in the same statement, the number of events in a generation of a projection."""
    columns, shard = _columns(rows), random.randrange(_SHARDS)  # noqa: S311  spreads; no secret
    count = _COUNT.format(*range(2 + len(columns), 5 + len(columns)))
    add = f"WITH counted AS ({count}) {_ADD[table]}" if rows else count
    await tx.execute(add, generation, *columns, name, shard, events)


def _columns(rows: Sequence[Struct]) -> list[list[object]]:
    return [[getattr(row, name) for row in rows] for name in rows[0].__struct_fields__] if rows else []


async def topic_days(db: Executor, since: date, until: date, *, limit: int) -> list[TopicDay]:
    """Return sums by topic from `since` to `until`, newest day first."""
    return [TopicDay(*row.values()) for row in await db.fetch(_TOPIC_DAYS, since, until, limit)]


async def best_sellers(db: Executor, since: date, *, limit: int) -> list[BestSeller]:
    """Return the products with the most sold units since a day, the best first."""
    return [BestSeller(*row.values()) for row in await db.fetch(_BEST_SELLERS, since, limit)]


async def shops_of(db: Executor, seller_id: UUID) -> list[UUID]:
    """Return the ids of a seller's shops."""
    return [row["shop_id"] for row in await db.fetch(_SHOPS_OF_SELLER, seller_id)]


async def shop_days(db: Executor, shop_ids: list[UUID], since: date, until: date) -> list[ShopDay]:
    """Return sums by shop from `since` to `until`, newest day first."""
    return [ShopDay(*row.values()) for row in await db.fetch(_SHOP_DAYS, shop_ids, since, until)]


async def product_totals(
    db: Executor, shop_ids: list[UUID], since: datetime, until: datetime, *, limit: int
) -> list[ProductTotal]:
    """Return totals of the products of shops from `since` to before `until`, highest revenue first."""
    rows = await db.fetch(_PRODUCT_TOTALS, shop_ids, since, until, limit)
    return [ProductTotal(*row.values()) for row in rows]


async def product_hours(
    db: Executor, product_id: UUID, since: datetime, shop_ids: list[UUID] | None, *, limit: int
) -> list[ProductHour]:
    """Return a product's sums by hour since a time, newest first, if it belongs to one of the shops (None: any)."""
    rows = await db.fetch(_PRODUCT_HOURS, product_id, since, shop_ids, limit)
    return [ProductHour(*row.values()) for row in rows]
