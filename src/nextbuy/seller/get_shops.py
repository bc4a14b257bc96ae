"""Call GetShops: many shops at once."""

from typing import Final

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.seller import GetShops, Shops
from nextbuy.seller import store
from nextbuy.seller.deps import Deps

MOST: Final = 100


async def get_shops(deps: Deps, call: GetShops) -> Shops:
    """Return those of these shops that exist; `Unprocessable` where more than 100 are asked for."""
    if len(call.shop_ids) > MOST:
        message = f"Ask for at most {MOST} shops at once."
        raise Unprocessable(message)
    return Shops(await store.shops(deps.database, call.shop_ids))
