"""Complete a paid checkout with orders or a refund, for the webhook and for the recovery job.

Every step can be repeated: stock is committed once per session, orders are created under a claim, and a refund is made
once per payment. After a crash between two steps, the recovery job repeats the checkout, and nothing is lost.
"""

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.order import Reason
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.kit.events.error_text import describe
from nextbuy.order.claimed_work import log_retry, retry_delay
from nextbuy.order.deps import Deps
from nextbuy.order.model import Session, State, split_by_shop
from nextbuy.order.state_changes import advance
from nextbuy.order.store import sessions, transitions
from nextbuy.order.store.sessions import CLAIM_CALL_TIMEOUT


async def complete_checkout(deps: Deps, session: Session) -> None:
    """Complete a claimed checkout whose payment has arrived: create its orders, or refund it.

    Raises:
        AppError: a call failed; a retry is scheduled.
    """
    set_deadline(time_left(CLAIM_CALL_TIMEOUT))
    try:
        if session.status is State.PAYING and await _commit_stock(deps, session):
            await _create_orders(deps, session)
        elif session.status is State.REFUND_DUE or await _mark_refund_due(deps, session):
            await _refund(deps, session)
    except Exception as error:
        log_retry("checkout completion failed; retry scheduled", error, session_id=str(session.id))
        await sessions.reschedule(deps.database, session, retry_delay(session.attempts), describe(error))
        raise


async def _commit_stock(deps: Deps, session: Session) -> bool:
    try:
        await deps.product.update_stock(session.id, session.units)
    except (Conflict, NotFound):
        # An attempt whose reply was lost may have committed the units to this session before.
        return (await deps.product.release_stock(session.id)).outcome == "sold"
    return True


async def _create_orders(deps: Deps, session: Session) -> None:
    drafts = split_by_shop(session)
    paid = await advance(deps.database, transitions.stock_committed(session, drafts, deps.clock()))
    if paid is not None:
        deps.journal.step("order", "create-orders", "1 order" if len(drafts) == 1 else f"{len(drafts)} orders")


async def _mark_refund_due(deps: Deps, session: Session) -> bool:
    async with deps.database.transaction() as tx:
        return await advance(tx, transitions.sold_out(session)) is not None


async def _refund(deps: Deps, session: Session) -> None:
    # A check constraint ensures that a session with a received payment has a payment id.
    refund_id = await deps.payments.refund(session.payment_id or "", session.reason or Reason.SOLD_OUT)
    async with deps.database.transaction() as tx:
        refunded = await advance(tx, transitions.refunded(session.id, refund_id))
    if refunded is not None:
        deps.journal.step("order", "refund", "refunded")
