"""POST /admin/api/approve-seller/{user_id}: allow a seller to sell."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.immediate_effect import apply_to_products
from nextbuy.admin.model import AccountRef
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def approve_seller(deps: Deps, caller: Caller, request: AccountRef) -> Seller:
    """Approve a seller. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    seller = await deps.seller.decide_seller(request.user_id, "approved", reason="", by=admin.id)
    return await apply_to_products(deps, seller)
