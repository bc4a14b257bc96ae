"""POST /order/api/cancel-payment-session/{session_id}: cancel an open checkout, and release its units at once."""

from nextbuy.contracts.order import Reason
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.hold_release import release_hold
from nextbuy.order.model import SessionNotFound, State
from nextbuy.order.open_checkout import already_paid, checkout_in_progress, close_payment
from nextbuy.order.shown_session import PaymentSession, PaymentSessionRequest, show_session
from nextbuy.order.state_changes import advance
from nextbuy.order.store import open_steps
from nextbuy.order.store.sessions import session_of


async def cancel_payment_session(deps: Deps, caller: Caller, request: PaymentSessionRequest) -> PaymentSession:
    """Cancel one of the caller's payment sessions; one that has ended without a payment stays as it is.

    The payment page is closed first, so no money arrives any more.

    Raises:
        NotFound: the session does not exist or belongs to another buyer (`session-not-found`).
        Conflict: it was paid already (`already-paid`, with its orders in `errors`), or another request is changing it
            (`in-progress`).
    """
    await deps.auth.validate_user(caller)
    session = await session_of(deps.database, request.session_id, caller.account_id)
    if session is None:
        raise SessionNotFound
    if session.received is not None:
        raise await already_paid(deps, session)
    if session.status in {State.OPENING, State.OPEN}:
        await close_payment(deps, session)
        cancelled = await advance(deps.database, open_steps.cancelled(session, Reason.CANCELLED))
        if cancelled is None:
            raise checkout_in_progress()
        await release_hold(deps, cancelled)
    return await show_session(deps, caller, session.id)
