"""A buyer's open checkout: how it is found, and how its payment is closed before it is cancelled or replaced."""

from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import Conflict, FieldError
from nextbuy.kit.http.idempotency import RequestInProgress
from nextbuy.order.deps import Deps
from nextbuy.order.model import AlreadyPaid, Session, can_be_paid
from nextbuy.order.store.orders import order_ids_by_number
from nextbuy.order.store.sessions import open_session

_RETRY_AFTER: Final = 1.0
"""Seconds in which a start or a payment that is in progress is expected to end."""


async def find_open_checkout(deps: Deps, buyer_id: UUID) -> Session | None:
    """Return the session that a buyer can pay now, or None."""
    session = await open_session(deps.database, buyer_id)
    if session is None or not can_be_paid(session.status, session.expires_at, deps.clock()):
        return None
    return session


async def close_payment(deps: Deps, session: Session) -> None:
    """Close the payment page of an opening or open session, so that no money can arrive there.

    Raises:
        Conflict: it was paid already (`already-paid`), or its payment page is being opened (`in-progress`).
    """
    if session.payment_id is None:
        raise checkout_in_progress()
    if await deps.payments.close(session.payment_id):
        raise await already_paid(deps, session)


def checkout_in_progress() -> Conflict:
    """Return the error of a request that another request of the same buyer overtook."""
    return RequestInProgress(
        "Another request of yours is changing this checkout. Try again in a moment.", retry_after=_RETRY_AFTER
    )


async def already_paid(deps: Deps, session: Session) -> Conflict:
    """Return the error of a session that was paid, with an entry for each of its orders that exist by now."""
    orders = await order_ids_by_number(deps.database, session.id)
    return AlreadyPaid(errors=[FieldError("order_ids", str(order_id)) for order_id in orders.values()])
