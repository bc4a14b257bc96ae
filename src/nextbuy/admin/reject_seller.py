"""POST /admin/api/reject-seller/{user_id}: a seller may not sell, and is told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def reject_seller(deps: Deps, caller: Caller, request: OfAccountBecause) -> Seller:
    """Reject a seller; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.seller.decide_seller(request.user_id, "rejected", reason=request.reason, by=account.id)
