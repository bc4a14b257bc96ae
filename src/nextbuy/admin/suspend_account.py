"""POST /admin/api/suspend-account/{user_id}: lock an account out at once."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountDecision
from nextbuy.contracts.auth import Account
from nextbuy.kit.http.caller import Caller


async def suspend_account(deps: Deps, caller: Caller, request: AccountDecision) -> Account:
    """Suspend an account. Repeating it changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.auth.suspend_account(request.user_id, reason=request.reason, by=account.id)
