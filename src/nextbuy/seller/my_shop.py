"""GET /seller/api/my-shop: a seller's own shop, and whether it may sell."""

from msgspec import Struct

from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import ShopStatus
from nextbuy.kit.http.caller import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import NoSuchShop


class MyShop(Struct, frozen=True):
    """The shop and the seller's state."""

    shop: Shop
    seller_status: ShopStatus


async def my_shop(deps: Deps, caller: Caller) -> MyShop:
    """Return the caller's shop; `NoSuchShop` where there is none yet."""
    account = await deps.auth.validate_seller(caller.token)
    shop = await store.of_seller(deps.database, account.id)
    if shop is None:
        raise NoSuchShop("You have no shop yet; make one with create-shop.")
    return MyShop(shop, shop.status)
