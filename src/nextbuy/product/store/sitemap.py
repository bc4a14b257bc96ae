"""The SQL of sitemaps: where each part of the catalogue begins, and what is in it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.kit.storage.database import Executor, Row
from nextbuy.product.model import PART_SIZE

PRODUCT_STARTS: Final = """
SELECT created_at, id
  FROM (SELECT created_at, id, row_number() OVER (ORDER BY created_at, id) - 1 AS number
          FROM products WHERE status = 'active') AS numbered
 WHERE number % $1 = 0 ORDER BY created_at, id LIMIT $2
"""
"""Reads an index alone: the products of closed shops are counted too, so that no row of a product is read."""
_SHOP_STARTS: Final = """
SELECT shop_id
  FROM (SELECT shop_id, row_number() OVER (ORDER BY shop_id) - 1 AS number FROM shops) AS numbered
 WHERE number % $1 = 0 ORDER BY shop_id LIMIT $2
"""
PRODUCTS: Final = """
SELECT p.slug, p.changed_at
  FROM (SELECT slug, shop_id, created_at, id, coalesce(content_changed_at, created_at) AS changed_at
          FROM products WHERE status = 'active' AND (created_at, id) >= ($2, $3)
         ORDER BY created_at, id LIMIT $1) AS p
  JOIN shops s ON s.shop_id = p.shop_id AND s.approved
 ORDER BY p.created_at, p.id
"""
_SHOPS: Final = """
SELECT slug FROM (SELECT * FROM shops WHERE shop_id >= $2 ORDER BY shop_id LIMIT $1) AS part
 WHERE approved AND slug IS NOT NULL ORDER BY shop_id
"""
MAX_PARTS: Final = 10_000
"""Parts per kind: 100 million URLs."""


async def product_starts(db: Executor) -> list[tuple[datetime, UUID]]:
    """Return the sort key of the first product of each part."""
    return [(row["created_at"], row["id"]) for row in await db.fetch(PRODUCT_STARTS, PART_SIZE, MAX_PARTS)]


async def shop_starts(db: Executor) -> list[UUID]:
    """Return the id of the first shop of each part."""
    return [row["shop_id"] for row in await db.fetch(_SHOP_STARTS, PART_SIZE, MAX_PARTS)]


async def products_from(db: Executor, created_at: datetime, product_id: UUID) -> list[Row]:
    """Return slug and last change of the products for sale of one part."""
    return await db.fetch(PRODUCTS, PART_SIZE, created_at, product_id)


async def shops_from(db: Executor, shop_id: UUID) -> list[str]:
    """Return the slugs of the open shops of one part."""
    return [row["slug"] for row in await db.fetch(_SHOPS, PART_SIZE, shop_id)]
