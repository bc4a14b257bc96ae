"""POST /admin/api/suspend-seller/{user_id}: stop a seller from selling, with a reason."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountDecision
from nextbuy.admin.seller_decision import decide
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def suspend_seller(deps: Deps, caller: Caller, request: AccountDecision) -> Seller:
    """Suspend a seller. A repeated request changes nothing.

    With If-Match, the version of the shop that the admin has read must be the current one.

    Raises:
        BadRequest: If-Match is invalid.
        PreconditionFailed: the shop has changed since (`stale`).
        Conflict: another admin has decided otherwise (`already-decided`).
    """
    return await decide(deps, caller, request.user_id, "suspended", reason=request.reason)
