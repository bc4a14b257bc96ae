"""POST /admin/api/suspend-account/{user_id}: somebody can do nothing more, from this moment on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.auth import Account
from nextbuy.kit.web import Caller


async def suspend_account(admin: Deps, caller: Caller, ask: OfAccountBecause) -> Account:
    """Suspend an account; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    return await admin.auth.suspend_account(ask.user_id, reason=ask.reason, by=account.id)
