"""The validation of access tokens: a cached signature check, and one read by primary key."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import require_active
from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller


async def account_of_token(deps: Deps, token: str, role: Role | None = None) -> Account:
    """Return the account of an access token.

    Raises:
        Unauthenticated: the token is invalid or its login session has ended.
        Forbidden: the account is suspended or has another role.
    """
    identity = await deps.keys.verifier.verify(token)
    return require_active(await store.session_status(deps.database, identity.session_id), role)


async def require_account(deps: Deps, caller: Caller) -> Account:
    """Return the account of a caller who is signed in.

    Raises:
        Unauthenticated: the login session has ended.
        Forbidden: the account is suspended.
    """
    if caller.identity is None:
        raise Unauthenticated
    return require_active(await store.session_status(deps.database, caller.identity.session_id))
