"""A payment session as its buyer sees it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.order import LastDecline
from nextbuy.contracts.values import Money, Timestamp
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.model import PUBLIC_STATUS, PublicStatus, SessionNotFound, can_be_paid
from nextbuy.order.store.orders import session_summary


class PaymentSessionRequest(Struct, frozen=True):
    """A request for one payment session."""

    session_id: UUID


class PaymentSession(Struct, frozen=True, kw_only=True):
    """The status of a payment session, and its orders once it is paid; `payment_url` is null unless it can be paid."""

    session_id: UUID
    status: PublicStatus
    total: Money
    order_ids: list[UUID]
    expires_at: Timestamp
    payment_url: str | None
    last_decline: LastDecline | None


async def show_session(deps: Deps, caller: Caller, session_id: UUID) -> PaymentSession:
    """Return a payment session of the caller.

    Raises:
        NotFound: the caller has no such session (`session-not-found`).
    """
    session = await session_summary(deps.database, session_id, caller.account_id)
    if session is None:
        raise SessionNotFound
    payable = can_be_paid(session.status, session.expires_at, deps.clock())
    return PaymentSession(
        session_id=session_id,
        status=PUBLIC_STATUS[session.status],
        total=session.total,
        order_ids=session.order_ids,
        expires_at=session.expires_at,
        payment_url=caller.link(session.payment_url or "", deps.settings.public_url) if payable else None,
        last_decline=session.last_decline,
    )
