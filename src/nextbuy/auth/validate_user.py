"""Call ValidateUser: return the account of an access token, whatever its role."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import account_of_token
from nextbuy.contracts.auth import Account, ValidateUser


async def validate_user(deps: Deps, call: ValidateUser) -> Account:
    """Return the account of a valid access token."""
    return await account_of_token(deps, call.token)
