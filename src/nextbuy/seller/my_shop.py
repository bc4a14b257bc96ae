"""GET /seller/api/my-shop: the caller's own shop and its status; only an approved shop sells."""

from msgspec import Struct

from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import ShopStatus
from nextbuy.kit.http.caller import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopNotFound


class MyShop(Struct, frozen=True):
    """The caller's shop and status."""

    shop: Shop
    seller_status: ShopStatus


async def my_shop(deps: Deps, caller: Caller) -> MyShop:
    """Show the caller's own shop.

    Raises:
        ShopNotFound: the caller has not created one yet.
    """
    account = await deps.auth.validate_seller(caller)
    shop = await store.get_by_seller(deps.database, account.id)
    if shop is None:
        raise ShopNotFound("You do not have a shop yet. Create one first.")
    return MyShop(shop, shop.status)
