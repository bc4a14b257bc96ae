"""POST /admin/api/reinstate-account/{user_id}: somebody who was suspended may come back."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.auth import Account
from nextbuy.kit.http.caller import Caller


async def reinstate_account(deps: Deps, caller: Caller, request: OfAccountBecause) -> Account:
    """Reinstate an account; the same again changes nothing."""
    account = await deps.auth.validate_admin(caller.token)
    return await deps.auth.reinstate_account(request.user_id, reason=request.reason, by=account.id)
