"""GET /admin/api/get-pending-products: the products that wait for a decision, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def get_pending_products(deps: Deps, caller: Caller, request: PageRequest) -> Page[Product]:
    """List the products that wait for approval."""
    await deps.auth.validate_admin(caller)
    return await deps.product.list_products("pending", limit=request.limit, cursor=request.start)
