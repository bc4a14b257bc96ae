"""POST /admin/api/approve-product/{product_id}: put a product on sale."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import DecidedProduct, ProductRef
from nextbuy.kit.http.caller import Caller


async def approve_product(deps: Deps, caller: Caller, request: ProductRef) -> DecidedProduct:
    """Approve a product. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    product = await deps.product.decide_product(request.product_id, "active", reason="", by=admin.id)
    return DecidedProduct(product)
