"""The access of sellers and admins to products that are not public."""

from uuid import UUID

from nextbuy.contracts.errors import Forbidden, Unauthenticated
from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps


async def may_see_hidden(deps: Deps, caller: Caller, seller_id: UUID) -> bool:
    """Return whether the caller is the seller of a product or an admin, and auth confirms the login session.

    A token stays valid for some minutes after its login session; its holder then sees what anyone sees.
    """
    identity = caller.identity
    if identity is None or identity.role is Role.BUYER:
        return False
    if identity.role is Role.SELLER and identity.account_id != seller_id:
        return False
    try:
        await deps.auth.validate_user(caller)
    except (Unauthenticated, Forbidden):
        return False
    return True
