"""Call ValidateShopOwner: return the shop of a seller, who needs one to list products."""

from nextbuy.contracts.seller import Shop, ValidateShopOwner
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopRequired


async def validate_shop_owner(deps: Deps, call: ValidateShopOwner) -> Shop:
    """Return a seller's shop, in any status.

    Raises:
        ShopRequired: the seller has no shop yet.
    """
    shop = await store.get_by_seller(deps.database, call.seller_id)
    if shop is None:
        raise ShopRequired
    return shop
