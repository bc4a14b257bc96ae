"""Answers `ValidateSeller`: whose token is it, and is it good now? It must be that of a seller."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import holder_of
from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.values import Role


async def validate_seller(deps: Deps, call: ValidateSeller) -> Account:
    """Return whose token it is."""
    return await holder_of(deps, call.token, Role.SELLER)
