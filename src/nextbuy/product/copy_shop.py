"""Call CopyShop: store a shop's new status and drop its products from the cache, before its event arrives."""

from nextbuy.contracts.product import CopyShop
from nextbuy.contracts.values import Nothing
from nextbuy.product.deps import Deps
from nextbuy.product.model import shop_state
from nextbuy.product.store.shops import upsert_shops


async def copy_shop(deps: Deps, call: CopyShop) -> Nothing:
    """Store the state of a shop, unless a later one is stored."""
    async with deps.database.transaction() as tx:
        await upsert_shops(tx, [shop_state(call.shop)])
    deps.cache.invalidate([], [call.shop.id])
    deps.cache.invalidate_pages()
    return Nothing()
