"""POST /admin/api/reject-product/{product_id}: reject a product, with a reason for its seller."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import DecidedProduct, ProductDecision
from nextbuy.kit.http.caller import Caller


async def reject_product(deps: Deps, caller: Caller, request: ProductDecision) -> DecidedProduct:
    """Reject a product. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    product = await deps.product.decide_product(request.product_id, "rejected", reason=request.reason, by=admin.id)
    return DecidedProduct(product)
