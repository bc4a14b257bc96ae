"""GET /admin/api/get-pending-sellers: who waits for approval, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller


async def get_pending_sellers(deps: Deps, caller: Caller, request: PageRequest) -> Page[Seller]:
    """Return a page of sellers who wait."""
    await deps.auth.validate_admin(caller.token)
    return await deps.seller.list_sellers("pending", limit=request.limit, cursor=cursor_or_none(request.cursor))
