"""GET /admin/api/get-pending-products: which products wait for a decision, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def get_pending_products(deps: Deps, caller: Caller, request: PageRequest) -> Page[Product]:
    """Return a page of products that wait."""
    await deps.auth.validate_admin(caller.token)
    return await deps.product.list_products("pending", limit=request.limit, cursor=cursor_or_none(request.cursor))
