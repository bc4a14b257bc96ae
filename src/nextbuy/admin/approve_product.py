"""POST /admin/api/approve-product/{product_id}: put a product on sale."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import DecidedProduct, ProductRef
from nextbuy.contracts.product_version import versions_of
from nextbuy.kit.http.caller import Caller


async def approve_product(deps: Deps, caller: Caller, request: ProductRef) -> DecidedProduct:
    """Approve a product, if it is still the version that If-Match names. A repeated request changes nothing.

    Raises:
        BadRequest: If-Match is invalid.
        NotFound: the product does not exist.
        PreconditionFailed: the product has changed since (`stale`).
        Conflict: an admin has rejected it (`already-decided`).
    """
    seen = versions_of(caller.if_match())
    admin = await deps.auth.validate_admin(caller)
    product = await deps.product.decide_product(request.product_id, "active", reason="", by=admin.id, seen=seen)
    return DecidedProduct(product)
