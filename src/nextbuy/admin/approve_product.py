"""POST /admin/api/approve-product/{product_id}: a product can be bought from now on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfProduct, ProductDecided
from nextbuy.kit.http.caller import Caller


async def approve_product(deps: Deps, caller: Caller, request: OfProduct) -> ProductDecided:
    """Approve a product; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    product = await deps.product.decide_product(request.product_id, "active", reason="", by=account.id)
    return ProductDecided(product)
