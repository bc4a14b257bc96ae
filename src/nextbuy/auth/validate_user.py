"""Answers `ValidateUser`: whose token is it, and is it good now? It must be that of anyone who is logged in."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import holder_of
from nextbuy.contracts.auth import Account, ValidateUser


async def validate_user(deps: Deps, call: ValidateUser) -> Account:
    """Return whose token it is."""
    return await holder_of(deps, call.token)
