"""Call GetShops: return shops by id."""

from typing import Final

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.seller import GetShops, Shops
from nextbuy.seller import store
from nextbuy.seller.deps import Deps

MAX_SHOPS: Final = 100


async def get_shops(deps: Deps, call: GetShops) -> Shops:
    """Return the requested shops that exist.

    Raises:
        Unprocessable: more than `MAX_SHOPS` were requested.
    """
    if len(call.shop_ids) > MAX_SHOPS:
        raise Unprocessable(f"Too many shops. Request at most {MAX_SHOPS} at once.")
    return Shops(await store.get_shops(deps.database, call.shop_ids))
