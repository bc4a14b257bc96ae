"""POST /admin/api/reject-seller/{user_id}: a seller may not sell, and is told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.seller import Seller
from nextbuy.kit.web import Caller


async def reject_seller(admin: Deps, caller: Caller, ask: OfAccountBecause) -> Seller:
    """Reject a seller; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    return await admin.seller.decide_seller(ask.user_id, "rejected", reason=ask.reason, by=account.id)
