"""A payment session as its buyer sees it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.order import LastDecline
from nextbuy.contracts.values import Money
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
    last_decline: LastDecline | None


async def show_session(deps: Deps, buyer_id: UUID, session_id: UUID) -> PaymentSession:
    """Return a payment session of a buyer.

    Raises:
        NotFound: the buyer has no such session (`session-not-found`).
    """
    session = await session_of_buyer(deps.database, session_id, buyer_id)
    if session is None:
        raise SessionNotFound
    return PaymentSession(
        session_id=session_id,
        status=PUBLIC_STATUS[session.status],
        total=session.total,
        order_ids=session.order_ids,
        last_decline=session.last_decline,
    )
