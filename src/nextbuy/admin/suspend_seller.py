"""POST /admin/api/suspend-seller/{user_id}: a seller may not sell any more, and is told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def suspend_seller(deps: Deps, caller: Caller, request: OfAccountBecause) -> Seller:
    """Suspend a seller; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.seller.decide_seller(request.user_id, "suspended", reason=request.reason, by=account.id)
