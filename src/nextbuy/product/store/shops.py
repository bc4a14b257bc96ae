"""The SQL of product's copy of each shop, which decides whether its products are for sale."""

from typing import Final

from nextbuy.contracts.product import UpsertShop
from nextbuy.kit.storage.database import Executor

_UPSERT: Final = """
INSERT INTO shops (shop_id, seller_id, name, status, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (shop_id) DO UPDATE
   SET seller_id = excluded.seller_id, name = excluded.name, status = excluded.status, version = excluded.version,
       changed_in = pg_current_xact_id()
 WHERE shops.version < excluded.version
"""


async def upsert_shop(db: Executor, shop: UpsertShop) -> None:
    """Store the state of a shop, unless the same or a later version is stored."""
    await db.execute(_UPSERT, shop.shop_id, shop.seller_id, shop.shop_name, shop.status, shop.shop_version)
