"""POST /admin/api/reject-product/{product_id}: a product is refused, and its seller told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfProductBecause, ProductDecided
from nextbuy.kit.web import Caller


async def reject_product(admin: Deps, caller: Caller, ask: OfProductBecause) -> ProductDecided:
    """Reject a product; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    product = await admin.product.decide_product(ask.product_id, "rejected", reason=ask.reason, by=account.id)
    return ProductDecided(product)
