"""GET /admin/api/get-pending-sellers: the sellers who wait for approval, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def get_pending_sellers(deps: Deps, caller: Caller, request: PageRequest) -> Page[Seller]:
    """List the sellers who wait for approval."""
    await deps.auth.validate_admin(caller)
    return await deps.seller.list_sellers("pending", limit=request.limit, cursor=request.start)
