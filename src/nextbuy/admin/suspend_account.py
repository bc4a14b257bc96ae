"""POST /admin/api/suspend-account/{user_id}: suspend an account and end its login sessions."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountDecision
from nextbuy.contracts.auth import Account
from nextbuy.kit.http.caller import Caller


async def suspend_account(deps: Deps, caller: Caller, request: AccountDecision) -> Account:
    """Suspend an account. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    return await deps.auth.suspend_account(request.user_id, reason=request.reason, by=admin.id)
