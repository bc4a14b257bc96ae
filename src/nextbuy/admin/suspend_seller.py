"""POST /admin/api/suspend-seller/{user_id}: stop a seller from selling, with a reason."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.immediate_effect import apply_to_products
from nextbuy.admin.model import AccountDecision
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def suspend_seller(deps: Deps, caller: Caller, request: AccountDecision) -> Seller:
    """Suspend a seller. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    seller = await deps.seller.decide_seller(request.user_id, "suspended", reason=request.reason, by=admin.id)
    return await apply_to_products(deps, seller)
