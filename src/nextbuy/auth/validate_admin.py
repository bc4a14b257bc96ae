"""Call ValidateAdmin: return the account of an access token, if it is an admin's."""

from nextbuy.auth.deps import Deps
from nextbuy.auth.tokens import account_of_token
from nextbuy.contracts.auth import Account, ValidateAdmin
from nextbuy.contracts.values import Role


async def validate_admin(deps: Deps, call: ValidateAdmin) -> Account:
    """Return an admin's account by a valid access token."""
    return await account_of_token(deps, call.token, Role.ADMIN)
