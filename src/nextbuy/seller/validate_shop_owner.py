"""Call ValidateShopOwner: which shop is this seller's?"""

from nextbuy.contracts.seller import Shop, ValidateShopOwner
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import NoShop


async def validate_shop_owner(deps: Deps, call: ValidateShopOwner) -> Shop:
    """Return the seller's shop, whatever its status; `NoShop` where there is none."""
    shop = await store.of_seller(deps.database, call.seller_id)
    if shop is None:
        raise NoShop("Make a shop first, with create-shop.")
    return shop
