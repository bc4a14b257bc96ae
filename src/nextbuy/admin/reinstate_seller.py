"""POST /admin/api/reinstate-seller/{user_id}: let a suspended seller sell again, with a reason."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.immediate_effect import apply_to_products
from nextbuy.admin.model import AccountDecision
from nextbuy.contracts.seller import Seller, shop_versions_of
from nextbuy.kit.http.caller import Caller


async def reinstate_seller(deps: Deps, caller: Caller, request: AccountDecision) -> Seller:
    """Reinstate a seller. A repeated request changes nothing.

    With If-Match, the version of the shop that the admin has read must be the current one.

    Raises:
        BadRequest: If-Match is invalid.
        PreconditionFailed: the shop has changed since (`stale`).
        Conflict: another admin has decided otherwise (`already-decided`).
    """
    seen = shop_versions_of(caller.if_match())
    admin = await deps.auth.validate_admin(caller)
    seller = await deps.seller.decide_seller(request.user_id, "approved", reason=request.reason, by=admin.id, seen=seen)
    return await apply_to_products(deps, seller)
