"""GET /admin/api/get-pending-products: which products wait for a decision, oldest first."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import cursor_or_none
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller


async def get_pending_products(admin: Deps, caller: Caller, ask: PageAsk) -> Page[Product]:
    """Return a page of products that wait."""
    await admin.auth.validate_admin(caller.token)
    return await admin.product.list_products("pending", limit=ask.limit, cursor=cursor_or_none(ask.cursor))
