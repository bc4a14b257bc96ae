"""The SQL of product's copy of each shop, which decides whether its products are for sale."""

from collections.abc import Sequence
from typing import Final

from nextbuy.kit.storage.database import Executor
from nextbuy.product.model import ShopState

_UPSERT: Final = """
INSERT INTO shops (shop_id, seller_id, name, status, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT (shop_id) DO UPDATE
   SET seller_id = excluded.seller_id, name = excluded.name, status = excluded.status, version = excluded.version,
       changed_in = pg_current_xact_id()
 WHERE shops.version < excluded.version
"""


async def upsert_shops(db: Executor, states: Sequence[ShopState]) -> None:
    """Store the latest state of each shop, unless the same or a later version is stored."""
    latest = {state.shop_id: state for state in sorted(states, key=lambda state: state.version)}
    shops = [latest[shop_id] for shop_id in sorted(latest)]
    await db.execute(
        _UPSERT,
        [shop.shop_id for shop in shops],
        [shop.seller_id for shop in shops],
        [shop.name for shop in shops],
        [shop.status for shop in shops],
        [shop.version for shop in shops],
    )
