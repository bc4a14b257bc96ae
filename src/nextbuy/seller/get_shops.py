"""Call GetShops: many shops at once."""

from typing import Final

from nextbuy.contracts.errors import Unreadable
from nextbuy.contracts.seller import GetShops, Shops
from nextbuy.seller import store
from nextbuy.seller.deps import Deps

MOST: Final = 100


async def get_shops(seller: Deps, call: GetShops) -> Shops:
    """Return those of these shops that exist; `Unreadable` where more than 100 are asked for."""
    if len(call.shop_ids) > MOST:
        message = f"Ask for at most {MOST} shops at once."
        raise Unreadable(message)
    return Shops(await store.shops(seller.database, call.shop_ids))
