"""POST /admin/api/suspend-seller/{user_id}: a seller may not sell any more, and is told why."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.seller import Seller
from nextbuy.kit.web import Caller


async def suspend_seller(admin: Deps, caller: Caller, ask: OfAccountBecause) -> Seller:
    """Suspend a seller; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    return await admin.seller.decide_seller(ask.user_id, "suspended", reason=ask.reason, by=account.id)
