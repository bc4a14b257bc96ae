"""Call GetShops: return shops by id."""

from nextbuy.contracts.seller import GetShops, Shops
from nextbuy.seller import store
from nextbuy.seller.deps import Deps


async def get_shops(deps: Deps, call: GetShops) -> Shops:
    """Return the requested shops that exist, and the ids of the others."""
    shops = await store.get_shops(deps.database, call.shop_ids)
    return Shops(shops, sorted(set(call.shop_ids) - {shop.id for shop in shops}))
