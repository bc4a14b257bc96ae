"""GET /order/api/payment-session/{session_id}: the status of a payment session, and its orders."""

from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.shown_session import PaymentSession, PaymentSessionRequest, show_session


async def payment_session(deps: Deps, caller: Caller, request: PaymentSessionRequest) -> PaymentSession:
    """Return one of the caller's payment sessions.

    Raises:
        NotFound: the session does not exist or belongs to another buyer (`session-not-found`).
    """
    await deps.auth.validate_user(caller)
    return await show_session(deps, caller, request.session_id)
