"""A decision of an admin about a seller: it is stored, and takes effect at once."""

from uuid import UUID

from nextbuy.admin.deps import Deps
from nextbuy.admin.immediate_effect import apply_to_products
from nextbuy.contracts.seller import Seller, SellerDecision, shop_versions_of
from nextbuy.kit.http.caller import Caller


async def decide(deps: Deps, caller: Caller, user_id: UUID, decision: SellerDecision, *, reason: str) -> Seller:
    """Decide about a seller as the admin who calls. A repeated decision changes nothing.

    With If-Match, the version of the shop that the admin has read must be the current one.

    Raises:
        BadRequest: If-Match is invalid.
        PreconditionFailed: the shop has changed since (`stale`).
        Conflict: another admin has decided otherwise (`already-decided`).
    """
    seen = shop_versions_of(caller.if_match())
    admin = await deps.auth.validate_admin(caller)
    seller = await deps.seller.decide_seller(user_id, decision, reason=reason, by=admin.id, seen=seen)
    return await apply_to_products(deps, seller)
