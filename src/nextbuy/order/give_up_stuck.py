"""POST /order/api/stuck/{id}/give-up: end the attempts at a checkout, refund or stock release.

What remains is done by hand, and depends on the kind of the work:

- `checkout`, `refund`: refund the payment at the provider. Its webhook then marks the session as refunded.
- `unmatched-refund`: refund the payment at the provider; no session waits for it.
- `stock-release`: correct the stock of the products.
"""

from uuid import UUID

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.stuck import GiveUp, Stuck
from nextbuy.order.deps import Deps
from nextbuy.order.state_changes import advance, record_release_given_up, record_unmatched_given_up
from nextbuy.order.store import transitions, unmatched_payments
from nextbuy.order.store.stuck import STUCK, WorkKind


async def give_up_stuck(deps: Deps, caller: Caller, request: GiveUp) -> Stuck:
    """End the attempts at a stuck checkout, refund or stock release, and record the reason.

    Then refund the payment at the provider, or correct the stock of the products, by hand.

    Raises:
        NotFound: no stuck work has this id (`stuck-not-found`).
        Conflict: it is being tried right now (`stuck-in-progress`).
    """
    admin = await deps.auth.validate_user(caller)
    async with deps.database.transaction() as tx:
        await unmatched_payments.lock_session_of(tx, request.id)
        work = await STUCK.give_up(tx, str(admin.id), request)
        match WorkKind(work.kind):
            case WorkKind.CHECKOUT | WorkKind.REFUND:
                await advance(tx, transitions.given_up(work.id, request.reason))
            case WorkKind.UNMATCHED_REFUND:
                await record_unmatched_given_up(tx, work.id, request.reason)
            case WorkKind.STOCK_RELEASE:
                await record_release_given_up(tx, UUID(work.id), request.reason)
        await caller.store_response(tx, work)
    return work
