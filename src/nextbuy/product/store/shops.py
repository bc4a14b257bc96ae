"""The shops that product knows of."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import ShopStatus
from nextbuy.kit.storage.database import Transaction

_KEEP: Final = """
INSERT INTO shops (shop_id, seller_id, name, status, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (shop_id) DO UPDATE
   SET seller_id = excluded.seller_id, name = excluded.name, status = excluded.status, version = excluded.version,
       changed_in = pg_current_xact_id()
 WHERE shops.version < excluded.version
"""


class ShopWord(Struct, frozen=True):
    """What seller said of a shop, at one version of it."""

    shop_id: UUID
    seller_id: UUID
    name: str
    status: ShopStatus
    version: int


async def keep_shop(tx: Transaction, word: ShopWord) -> None:
    """Keep what was said of a shop, where nothing later is known."""
    await tx.execute(_KEEP, word.shop_id, word.seller_id, word.name, word.status, word.version)
