"""The figures of products and shops: added to in a fixed order, so that two who add cannot lock each other out."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from nextbuy.kafka.figures import BestSeller, ProductDay, ProductHour, ProductSum, ShopDay
from nextbuy.kit.storage.database import Executor, Transaction

_ADD_HOURS = """
INSERT INTO product_views AS p (generation, product_id, hour, shop_id, viewed, added, bought, amount)
SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[],
                         $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
ON CONFLICT (generation, product_id, hour) DO UPDATE
   SET viewed = p.viewed + excluded.viewed, added = p.added + excluded.added, bought = p.bought + excluded.bought,
       amount = p.amount + excluded.amount
"""
_ADD_DAYS = """
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
_ADD_SHOPS = """
INSERT INTO seller_shops (generation, seller_id, shop_id) SELECT $1, * FROM unnest($2::uuid[], $3::uuid[])
ON CONFLICT DO NOTHING
"""
_NOW = "(SELECT generation FROM projections WHERE name = '{}')"
_BEST = f"""
SELECT product_id, shop_id, sum(units)::bigint AS units FROM best_sellers
 WHERE generation = {_NOW.format("best-sellers")} AND day >= $1
 GROUP BY product_id, shop_id ORDER BY units DESC, product_id LIMIT $2
"""  # noqa: S608  made of constants, as all below
_SHOPS = f"SELECT shop_id FROM seller_shops WHERE generation = {_NOW.format('seller-figures')} AND seller_id = $1"  # noqa: S608
_SHOP_DAYS = f"""
SELECT shop_id, day, orders, units, amount, views FROM seller_figures
 WHERE generation = {_NOW.format("seller-figures")} AND shop_id = ANY($1::uuid[]) AND day BETWEEN $2 AND $3
 ORDER BY day DESC, shop_id
"""  # noqa: S608
_PRODUCTS_OF_SHOPS = f"""
SELECT product_id, sum(viewed)::bigint AS viewed, sum(added)::bigint AS added, sum(bought)::bigint AS bought,
       sum(amount)::bigint AS amount
  FROM product_views
 WHERE generation = {_NOW.format("product-views")} AND shop_id = ANY($1::uuid[])
   AND hour >= $2 AND hour < $3
 GROUP BY product_id ORDER BY amount DESC, viewed DESC, product_id LIMIT $4
"""  # noqa: S608
_PRODUCT_HOURS = f"""
SELECT product_id, hour, shop_id, viewed, added, bought, amount FROM product_views
 WHERE generation = {_NOW.format("product-views")} AND product_id = $1 AND hour >= $2
   AND ($3::uuid[] IS NULL OR shop_id = ANY($3))
 ORDER BY hour DESC LIMIT $4
"""  # noqa: S608


def _columns(rows: Sequence[ProductHour | ProductDay | ShopDay]) -> list[list[object]]:
    return [[getattr(row, name) for row in rows] for name in rows[0].__struct_fields__]


async def add_product_hours(tx: Transaction, generation: int, rows: Sequence[ProductHour]) -> None:
    """Add to a generation of what became of products by hour; `rows` in order."""
    if rows:
        await tx.execute(_ADD_HOURS, generation, *_columns(rows))


async def add_product_days(tx: Transaction, generation: int, rows: Sequence[ProductDay]) -> None:
    """Add to a generation of what was sold by day; `rows` in order."""
    if rows:
        await tx.execute(_ADD_DAYS, generation, *_columns(rows))


async def add_shop_days(tx: Transaction, generation: int, rows: Sequence[ShopDay]) -> None:
    """Add to a generation of what shops did by day; `rows` in order."""
    if rows:
        await tx.execute(_ADD_SHOP_DAYS, generation, *_columns(rows))


async def add_shops(tx: Transaction, generation: int, opened: Sequence[tuple[UUID, UUID]]) -> None:
    """Keep whose shops are: sellers and their shops, in order."""
    if opened:
        await tx.execute(_ADD_SHOPS, generation, [seller for seller, _ in opened], [shop for _, shop in opened])


async def best(reader: Executor, since: date, *, limit: int) -> list[BestSeller]:
    """Return the products of which most units were sold since a day, the best first."""
    return [BestSeller(*row.values()) for row in await reader.fetch(_BEST, since, limit)]


async def shops_of(reader: Executor, seller_id: UUID) -> list[UUID]:
    """Return the shops of a seller."""
    return [row["shop_id"] for row in await reader.fetch(_SHOPS, seller_id)]


async def shop_days(reader: Executor, shop_ids: list[UUID], since: date, until: date) -> list[ShopDay]:
    """Return what shops did on some days, newest day first."""
    return [ShopDay(*row.values()) for row in await reader.fetch(_SHOP_DAYS, shop_ids, since, until)]


async def products_of_shops(
    reader: Executor, shop_ids: list[UUID], since: datetime, until: datetime, *, limit: int
) -> list[ProductSum]:
    """Return what became of the products of shops in some time, those that brought most first."""
    rows = await reader.fetch(_PRODUCTS_OF_SHOPS, shop_ids, since, until, limit)
    return [ProductSum(*row.values()) for row in rows]


async def product_hours(
    reader: Executor, product_id: UUID, since: datetime, shop_ids: list[UUID] | None, *, limit: int
) -> list[ProductHour]:
    """Return what became of a product by hour, newest first; of one of these shops, if any are named."""
    rows = await reader.fetch(_PRODUCT_HOURS, product_id, since, shop_ids, limit)
    return [ProductHour(*row.values()) for row in rows]
