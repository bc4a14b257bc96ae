"""GET /seller/api/get-shop/{shop_id}: a shop, for anyone."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.seller import Shop
from nextbuy.kit.http.caller import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import NoSuchShop


class GetShop(Struct, frozen=True):
    """Which shop."""

    shop_id: UUID


class ShopFound(Struct, frozen=True):
    """The shop."""

    shop: Shop


async def get_shop(deps: Deps, _caller: Caller, request: GetShop) -> ShopFound:
    """Return a shop with its status; `NoSuchShop` where there is none."""
    found = await store.shops(deps.database, [request.shop_id])
    if not found:
        raise NoSuchShop("There is no such shop.")
    return ShopFound(found[0])
