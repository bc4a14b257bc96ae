"""The SQL of product's copy of each shop, which decides whether its products are for sale and is shown with them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nextbuy.kit.storage.database import Executor
from nextbuy.product.model import ShopState

_UPSERT: Final = """
INSERT INTO shops (shop_id, seller_id, name, slug, status, version)
SELECT shop_id, seller_id, name, nullif(slug, ''), status, version
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
       AS state (shop_id, seller_id, name, slug, status, version)
ON CONFLICT (shop_id) DO UPDATE
   SET seller_id = excluded.seller_id, name = excluded.name, slug = excluded.slug, status = excluded.status,
       version = excluded.version, changed_in = pg_current_xact_id()
 WHERE shops.version < excluded.version
"""
_WITHOUT_SLUG: Final = "SELECT shop_id, version FROM shops WHERE slug IS NULL ORDER BY shop_id LIMIT $1"
_FILL_SLUGS: Final = """
UPDATE shops s SET slug = found.slug, changed_in = pg_current_xact_id()
  FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS found (shop_id, slug, version)
 WHERE s.shop_id = found.shop_id AND s.slug IS NULL AND s.version <= found.version
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
        [shop.slug for shop in shops],
        [shop.status for shop in shops],
        [shop.version for shop in shops],
    )


async def read_without_slug(db: Executor, limit: int) -> dict[UUID, int]:
    """Return the ids and versions of up to `limit` shops whose slug is not known."""
    return {row["shop_id"]: row["version"] for row in await db.fetch(_WITHOUT_SLUG, limit)}


async def fill_slugs(db: Executor, shops: Sequence[tuple[UUID, str, int]]) -> None:
    """Store the ids, slugs and versions of shops whose slug is not known, unless a later version is stored."""
    await db.execute(_FILL_SLUGS, *(list(column) for column in zip(*shops, strict=True)))
