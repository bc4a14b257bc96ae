"""GET /auth/api/me: the account that is logged in."""

from msgspec import Struct

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class Me(Struct, frozen=True):
    """The account of the caller."""

    user: Account


async def me(deps: Deps, caller: Caller, _request: Nothing) -> Me:
    """Return the caller's account, unless its login session has ended or it is suspended."""
    return Me(await require_account(deps, caller))
