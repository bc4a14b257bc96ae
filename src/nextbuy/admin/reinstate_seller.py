"""POST /admin/api/reinstate-seller/{user_id}: let a suspended seller sell again, with a reason."""

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountDecision
from nextbuy.admin.seller_decision import decide
from nextbuy.contracts.seller import Seller
from nextbuy.kit.http.caller import Caller


async def reinstate_seller(deps: Deps, caller: Caller, request: AccountDecision) -> Seller:
    """Reinstate a seller. A repeated request changes nothing.

    With If-Match, the version of the shop that the admin has read must be the current one.

    Raises:
        BadRequest: If-Match is invalid.
        PreconditionFailed: the shop has changed since (`stale`).
        Conflict: another admin has decided otherwise (`already-decided`).
    """
    return await decide(deps, caller, request.user_id, "approved", reason=request.reason)
