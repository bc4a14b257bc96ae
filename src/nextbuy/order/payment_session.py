"""GET /order/api/payment-session/{session_id}: how a payment session stands, and the orders that came of it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Money
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.model import SHOWN, Shown
from nextbuy.order.store.orders import session_of_buyer


class PaymentSessionAsked(Struct, frozen=True):
    """Which session."""

    session_id: UUID


class PaymentSession(Struct, frozen=True, kw_only=True):
    """How it stands."""

    session_id: UUID
    status: Shown
    total: Money
    order_ids: list[UUID]


async def payment_session(deps: Deps, caller: Caller, request: PaymentSessionAsked) -> PaymentSession:
    """Return one of the caller's sessions.

    Raises:
        NotFound: it is not there, or another's.
    """
    await deps.auth.validate_user(caller.token)
    seen = await session_of_buyer(deps.database, request.session_id, caller.account_id)
    if seen is None:
        raise NotFound("You have no such payment session.", slug="no-such-session")
    return PaymentSession(
        session_id=request.session_id, status=SHOWN[seen.status], total=seen.total, order_ids=seen.order_ids
    )
