"""GET /auth/api/me: the account that is signed in."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.model import Me
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


async def me(deps: Deps, caller: Caller, _request: Nothing) -> Me:
    """Return the caller's account, unless its login session has ended or it is suspended."""
    return Me(await require_account(deps, caller))
