"""POST /admin/api/reject-seller/{user_id}: reject a new seller, with a reason."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountDecision
from nextbuy.admin.seller_decision import decide
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def reject_seller(deps: Deps, caller: Caller, request: AccountDecision) -> Seller:
    """Reject a seller. A repeated request changes nothing.

    With If-Match, the version of the shop that the admin has read must be the current one.

    Raises:
        BadRequest: If-Match is invalid.
        PreconditionFailed: the shop has changed since (`stale`).
        Conflict: another admin has decided otherwise (`already-decided`).
    """
    return await decide(deps, caller, request.user_id, "rejected", reason=request.reason)
