"""GET /product/api/get-shop-products: a seller's own products, in every state, with what is held and sold."""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import of_seller
from nextbuy.product.store.products import OwnProduct


class GetShopProducts(PageRequest, frozen=True):
    """Which part of the list."""


async def get_shop_products(deps: Deps, caller: Caller, request: GetShopProducts) -> Page[OwnProduct]:
    """List one's own products, latest first."""
    await deps.auth.validate_seller(caller.token)
    cursor = None if request.cursor is UNSET else request.cursor
    return await of_seller(deps.database, caller.account_id, limit=request.limit, cursor=cursor)
