"""GET /order/api/payment-session/{session_id}: the status of a payment session, and its orders."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Money
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.model import PUBLIC_STATUS, PublicStatus, SessionNotFound
from nextbuy.order.store.orders import session_of_buyer


class PaymentSessionRequest(Struct, frozen=True):
    """A request for one payment session."""

    session_id: UUID


class PaymentSession(Struct, frozen=True, kw_only=True):
    """The status of a payment session, and its orders once it is paid."""

    session_id: UUID
    status: PublicStatus
    total: Money
    order_ids: list[UUID]


async def payment_session(deps: Deps, caller: Caller, request: PaymentSessionRequest) -> PaymentSession:
    """Return one of the caller's payment sessions.

    Raises:
        NotFound: the session does not exist or belongs to another buyer (`session-not-found`).
    """
    await deps.auth.validate_user(caller)
    session = await session_of_buyer(deps.database, request.session_id, caller.account_id)
    if session is None:
        raise SessionNotFound
    return PaymentSession(
        session_id=request.session_id,
        status=PUBLIC_STATUS[session.status],
        total=session.total,
        order_ids=session.order_ids,
    )
