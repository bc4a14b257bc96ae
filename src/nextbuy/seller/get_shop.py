"""GET /seller/api/get-shop/{shop_id}: an approved shop, for anyone.

Its seller and admins see it in any status, once auth has confirmed that their login session is active.
"""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import Forbidden, Unauthenticated
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Role
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


async def get_shop(deps: Deps, caller: Caller, request: GetShop) -> ShopFound:
    """Show an approved shop; its seller and admins see it in any status.

    Raises:
        ShopNotFound: it does not exist, or the caller may not see it.
    """
    shops = await store.get_shops(deps.database, [request.shop_id])
    if not shops or not (shops[0].status == "approved" or await _may_see_hidden(deps, caller, shops[0])):
        raise ShopNotFound
    return ShopFound(shops[0])


async def _may_see_hidden(deps: Deps, caller: Caller, shop: Shop) -> bool:
    identity = caller.identity
    if identity is None or (identity.role is not Role.ADMIN and identity.account_id != shop.seller_id):
        return False
    try:
        await deps.auth.validate_user(caller)
    except (Unauthenticated, Forbidden):
        return False
    return True
