"""GET /product/api/get-shop-products: the caller's own products in any status, with held and sold units."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import list_by_seller
from nextbuy.product.store.products import OwnProduct


async def get_shop_products(deps: Deps, caller: Caller, request: PageRequest) -> Page[OwnProduct]:
    """List the caller's own products, newest first."""
    await deps.auth.validate_seller(caller)
    return await list_by_seller(deps.database, caller.account_id, limit=request.limit, cursor=request.start)
