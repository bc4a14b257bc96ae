"""POST /admin/api/approve-seller/{user_id}: a seller may sell from now on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccount
from nextbuy.contracts.seller import Seller
from nextbuy.kit.web import Caller


async def approve_seller(admin: Deps, caller: Caller, ask: OfAccount) -> Seller:
    """Approve a seller; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    return await admin.seller.decide_seller(ask.user_id, "approved", reason="", by=account.id)
