"""POST /admin/api/suspend-account/{user_id}: suspend an account and end its login sessions."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.immediate_effect import apply_to_shop
from nextbuy.admin.model import AccountDecision
from nextbuy.contracts.auth import Account
from nextbuy.kit.http.caller import Caller


async def suspend_account(deps: Deps, caller: Caller, request: AccountDecision) -> Account:
    """Suspend an account. A repeated request changes nothing."""
    admin = await deps.auth.validate_admin(caller)
    account = await deps.auth.suspend_account(request.user_id, reason=request.reason, by=admin.id)
    return await apply_to_shop(deps, account, "suspended", reason=request.reason)
