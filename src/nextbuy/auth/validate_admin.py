"""Call ValidateAdmin: return the account of an access token, of the role admin."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import account_of_token
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.values import Role


async def validate_admin(deps: Deps, call: ValidateAdmin) -> Account:
    """Return the account of a valid token of an admin."""
    return await account_of_token(deps, call.token, Role.ADMIN)
