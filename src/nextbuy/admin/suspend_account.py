"""POST /admin/api/suspend-account/{user_id}: somebody can do nothing more, from this moment on."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.auth import Account
from nextbuy.kit.http.caller import Caller


async def suspend_account(deps: Deps, caller: Caller, request: OfAccountBecause) -> Account:
    """Suspend an account; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.auth.suspend_account(request.user_id, reason=request.reason, by=account.id)
