"""GET /seller/api/get-shop/{shop_id}: a shop, for anyone."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.seller import Shop
from nextbuy.kit.http.caller import Caller
from nextbuy.seller import store
from nextbuy.seller.deps import Deps
from nextbuy.seller.model import ShopNotFound


class GetShop(Struct, frozen=True):
    """The id of a shop."""

    shop_id: UUID


class ShopFound(Struct, frozen=True):
    """The requested shop."""

    shop: Shop


async def get_shop(deps: Deps, _caller: Caller, request: GetShop) -> ShopFound:
    """Show a shop and its status.

    Raises:
        ShopNotFound: it does not exist.
    """
    shops = await store.get_shops(deps.database, [request.shop_id])
    if not shops:
        raise ShopNotFound
    return ShopFound(shops[0])
