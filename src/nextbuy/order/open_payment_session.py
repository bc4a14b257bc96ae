"""GET /order/api/open-payment-session: the buyer's open checkout, to continue its payment or to cancel it."""

from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.order import Address, LastDecline
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, Timestamp
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.model import PUBLIC_STATUS, NoOpenSession, PublicStatus
from nextbuy.order.open_checkout import find_open_checkout
from nextbuy.order.store.orders import address_of


class OpenPaymentSession(Struct, frozen=True, kw_only=True):
    """The open checkout of a buyer: its lines are reserved, and it can be paid until it expires."""

    session_id: UUID
    status: PublicStatus
    total: Money
    lines: list[PricedLine]
    expires_at: Timestamp
    payment_url: str
    last_decline: LastDecline | None
    address: Address | None


async def open_payment_session(deps: Deps, caller: Caller) -> OpenPaymentSession:
    """Return the caller's open payment session.

    Raises:
        NotFound: the caller has none (`no-open-session`).
    """
    await deps.auth.validate_user(caller)
    session = await find_open_checkout(deps, caller.account_id)
    if session is None:
        raise NoOpenSession
    return OpenPaymentSession(
        session_id=session.id,
        status=PUBLIC_STATUS[session.status],
        total=session.total,
        lines=[line.priced() for line in session.lines],
        expires_at=session.expires_at,
        payment_url=caller.link(session.payment_url or "", deps.settings.public_url),
        last_decline=session.last_decline,
        address=await address_of(deps.database, session.id),
    )
