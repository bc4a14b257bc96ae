"""GET /seller/api/my-shop: a seller's own shop, and whether it may sell."""

from msgspec import Struct

from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import ShopStatus
from nextbuy.kit.web import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import NoSuchShop


class MyShop(Struct, frozen=True):
    """The shop and the seller's state."""

    shop: Shop
    seller_status: ShopStatus


async def my_shop(seller: Deps, caller: Caller) -> MyShop:
    """Return the caller's shop; `NoSuchShop` where there is none yet."""
    account = await seller.auth.validate_seller(caller.token)
    shop = await store.of_seller(seller.database, account.id)
    if shop is None:
        raise NoSuchShop("You have no shop yet; make one with create-shop.")
    return MyShop(shop, shop.status)
