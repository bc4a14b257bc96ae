"""FollowShop: only the goods of an approved shop can be seen and bought."""

from nextbuy.contracts.product import FollowShop
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.store.shops import ShopWord, keep_shop


async def follow_shop(product: Deps, call: FollowShop) -> Nothing:
    """Keep what seller said of a shop; an older word than the one kept changes nothing."""
    async with product.database.transaction() as tx:
        await keep_shop(tx, ShopWord(call.shop_id, call.seller_id, call.shop_name, call.status, call.shop_version))
    return Nothing()
