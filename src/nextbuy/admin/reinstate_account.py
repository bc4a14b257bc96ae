"""POST /admin/api/reinstate-account/{user_id}: somebody who was suspended may come back."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import OfAccountBecause
from nextbuy.contracts.auth import Account
from nextbuy.kit.web import Caller


async def reinstate_account(admin: Deps, caller: Caller, ask: OfAccountBecause) -> Account:
    """Reinstate an account; the same again changes nothing."""
    account = await admin.auth.validate_admin(caller.token)
    return await admin.auth.reinstate_account(ask.user_id, reason=ask.reason, by=account.id)
