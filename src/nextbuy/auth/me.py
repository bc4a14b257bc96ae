"""GET /auth/api/me: who is logged in."""

from msgspec import Struct

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import check_standing
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class Me(Struct, frozen=True):
    """Somebody, to themselves."""

    user: Account


async def me(deps: Deps, caller: Caller, _ask: Nothing) -> Me:
    """Tell who is logged in, while the session is alive and the account is not suspended."""
    if caller.identity is None:
        raise Unauthenticated
    return Me(check_standing(await store.standing(deps.database, caller.identity.session_id)))
