"""POST /admin/api/approve-product/{product_id}: a product can be bought from now on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfProduct, ProductDecided
from nextbuy.kit.web import Caller


async def approve_product(admin: Deps, caller: Caller, ask: OfProduct) -> ProductDecided:
    """Approve a product; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    product = await admin.product.decide_product(ask.product_id, "active", reason="", by=account.id)
    return ProductDecided(product)
