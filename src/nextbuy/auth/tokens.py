"""Whose is an access token, and is it good now?

This is on the path of every request that matters: a remembered signature, and one point read.
"""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import check_standing
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import Role


async def holder_of(deps: Deps, token: str, role: Role | None = None) -> Account:
    """Return whose token it is.

    Raises:
        Unauthenticated: it is no good, or its session has ended.
        Forbidden: the account is suspended, or has another role.
    """
    identity = await deps.keys.verifier.verify(token)
    return check_standing(await store.standing(deps.database, identity.session_id), role)
