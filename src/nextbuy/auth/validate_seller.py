"""Call ValidateSeller: return the account of an access token, if it is a seller's."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import account_of_token
from nextbuy.contracts.auth import Account, ValidateSeller
from nextbuy.contracts.values import Role


async def validate_seller(deps: Deps, call: ValidateSeller) -> Account:
    """Return a seller's account by a valid access token."""
    return await account_of_token(deps, call.token, Role.SELLER)
