"""Call ValidateSeller: return the account of an access token, of the role seller."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import account_of_token
from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.values import Role


async def validate_seller(deps: Deps, call: ValidateSeller) -> Account:
    """Return the account of a valid token of a seller."""
    return await account_of_token(deps, call.token, Role.SELLER)
