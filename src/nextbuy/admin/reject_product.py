"""POST /admin/api/reject-product/{product_id}: a product is refused, and its seller told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfProductBecause, ProductDecided
from nextbuy.kit.http.caller import Caller


async def reject_product(deps: Deps, caller: Caller, request: OfProductBecause) -> ProductDecided:
    """Reject a product; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    product = await deps.product.decide_product(request.product_id, "rejected", reason=request.reason, by=account.id)
    return ProductDecided(product)
