"""GET /admin/api/get-pending-sellers: who waits for approval, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller


async def get_pending_sellers(admin: Deps, caller: Caller, ask: PageAsk) -> Page[Seller]:
    """Return a page of sellers who wait."""
    await admin.auth.validate_admin(caller.token)
    return await admin.seller.list_sellers("pending", limit=ask.limit, cursor=cursor_or_none(ask.cursor))
