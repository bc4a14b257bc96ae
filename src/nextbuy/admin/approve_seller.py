"""POST /admin/api/approve-seller/{user_id}: a seller may sell from now on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccount
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def approve_seller(deps: Deps, caller: Caller, request: OfAccount) -> Seller:
    """Approve a seller; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.seller.decide_seller(request.user_id, "approved", reason="", by=account.id)
