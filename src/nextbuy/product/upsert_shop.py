"""UpsertShop: only the goods of an approved shop can be seen and bought."""

from nextbuy.contracts.product import UpsertShop
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.store.shops import ShopWord, keep_shop


async def upsert_shop(deps: Deps, call: UpsertShop) -> Nothing:
    """Keep what seller said of a shop; an older word than the one kept changes nothing."""
    async with deps.database.transaction() as tx:
        await keep_shop(tx, ShopWord(call.shop_id, call.seller_id, call.shop_name, call.status, call.shop_version))
    return Nothing()
