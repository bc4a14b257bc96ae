"""Answers `ValidateAdmin`: whose token is it, and is it good now? It must be that of an admin."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import holder_of
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.values import Role


async def validate_admin(deps: Deps, call: ValidateAdmin) -> Account:
    """Return whose token it is."""
    return await holder_of(deps, call.token, Role.ADMIN)
