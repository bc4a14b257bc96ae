"""POST /admin/api/reject-product/{product_id}: reject a product, with a reason for its seller."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import DecidedProduct, ProductDecision
from nextbuy.contracts.product_version import versions_of
from nextbuy.kit.http.caller import Caller


async def reject_product(deps: Deps, caller: Caller, request: ProductDecision) -> DecidedProduct:
    """Reject a product, if it is still the version that If-Match names. A repeated request changes nothing.

    Raises:
        BadRequest: If-Match is invalid.
        NotFound: the product does not exist.
        PreconditionFailed: the product has changed since (`stale`).
        Conflict: an admin has approved it (`already-decided`).
    """
    seen = versions_of(caller.if_match())
    admin = await deps.auth.validate_admin(caller)
    product = await deps.product.decide_product(
        request.product_id, "rejected", reason=request.reason, by=admin.id, seen=seen
    )
    return DecidedProduct(product)
