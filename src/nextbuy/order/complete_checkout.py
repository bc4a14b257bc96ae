"""Money that is there becomes orders, or goes back: what the webhook and the recovery of crashes share.

Every step may be done again: stock is sold once per session, orders are written by whoever still has the claim, a
refund is made once per payment. So a crash between any two of them costs a repetition and loses nothing.
"""

import logging
import random
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError, Conflict, NotFound
from nextbuy.contracts.order import PaymentRefunded
from nextbuy.kit.deadline import set_deadline, time_left
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.storage.database import Transaction
from nextbuy.order.deps import Deps
from nextbuy.order.history import told
from nextbuy.order.model import GONE, Session, State, Transition, drafts
from nextbuy.order.store import sessions
from nextbuy.order.store import unmatched_payments as strays
from nextbuy.order.store.sessions import WORK_LIMIT, Claim
from nextbuy.order.store.unmatched_payments import UnmatchedPayment

log: Final = logging.getLogger(__name__)
_LEAST_PAUSE, _BASE, _CAP = 0.2, 0.5, 60.0
"""Seconds: before another try, the least and, at random, up to the base doubled each time, at most the cap."""


def pause_after(tries: int) -> float:
    """Return the seconds to wait after so many tries that came to nothing."""
    return _LEAST_PAUSE + backoff(tries, base=_BASE, cap=_CAP, random=random.random)


async def settle(deps: Deps, claim: Claim) -> None:
    """Bring a session whose money is there to its end: paid, or refunded.

    Raises:
        AppError: not now; another try is due by itself.
    """
    set_deadline(time_left(WORK_LIMIT))
    session = claim.session
    try:
        if session.status is State.PAYING and await _take_goods(deps, session):
            await _write_orders(deps, claim)
            return
        if session.status is State.REFUND_DUE or await _owe_refund(deps, claim):
            await _return_money(deps, session)
    except AppError as error:
        if not error.transient:
            log.error("session %s could not be settled, and will be tried again: %s: %s", session.id, error.slug, error)  # noqa: TRY400
        await sessions.postpone_work(deps.database, claim, pause_after(claim.tries))
        raise


async def _take_goods(deps: Deps, session: Session) -> bool:
    """Sell the session's units; false where they are gone, and then nothing is left held or sold for it."""
    try:
        await deps.product.update_stock(session.id, session.wanted)
    except (Conflict, NotFound):
        # Asked even so: should an earlier try of ours, given up for lost, have sold them after all, they are not lost
        # but ours.
        return (await deps.product.release_stock(session.id)).outcome == "sold"
    return True


async def _owe_refund(deps: Deps, claim: Claim) -> bool:
    async with deps.database.transaction() as tx:
        session = await sessions.owe_refund(tx, claim, GONE)
        if session is None:
            return False
        await publish(tx, *told(Transition.GOODS_GONE, session))
    return True


async def _write_orders(deps: Deps, claim: Claim) -> None:
    session = claim.session
    parts = drafts(session)
    async with deps.database.transaction() as tx:
        ids = await sessions.write_orders(tx, claim, parts)
        if ids is None:
            return
        await publish(tx, *told(Transition.GOODS_TAKEN, session, list(zip(ids, parts, strict=True))))
    deps.journal.step("order", "create-orders", f"{len(parts)} orders")


async def _return_money(deps: Deps, session: Session) -> None:
    # The check constraint of the table: money that is there has a payment.
    payment_id, reason = session.payment_id or "", session.reason or GONE
    refund_id = await deps.payments.refund(payment_id, reason)
    async with deps.database.transaction() as tx:
        noted = await note_refund(tx, session.id, refund_id)
    if noted:
        deps.journal.step("order", "refund", "returned")


async def note_refund(tx: Transaction, session_id: UUID, refund_id: str | None) -> bool:
    """Write down that a session's money has gone back; once, whoever says so first."""
    session = await sessions.mark_refunded(tx, session_id, refund_id)
    if session is None:
        return False
    await publish(tx, *told(Transition.MONEY_RETURNED, session))
    return True


async def settle_in_its_trace(deps: Deps, claim: Claim) -> None:
    """Settle as part of the purchase's own trace; what cannot be done now is left for another try."""
    with use_span(start_span(claim.session.traceparent, claim.session.correlation_id)):
        try:
            await settle(deps, claim)
        except AppError as error:
            log.info("session %s waits for another try: %s", claim.session.id, error.slug)


async def return_stray(deps: Deps, stray: UnmatchedPayment) -> None:
    """Send money back that belongs to no session."""
    with use_span(start_span(stray.traceparent, stray.correlation_id)):
        set_deadline(WORK_LIMIT)
        try:
            refund_id = await deps.payments.refund(stray.payment_id, stray.reason)
        except AppError as error:
            if not error.transient:
                log.error("payment %s cannot be returned: %s: %s", stray.payment_id, error.slug, error)  # noqa: TRY400
            await strays.postpone_stray(deps.database, stray, pause_after(stray.tries))
            return
        async with deps.database.transaction() as tx:
            if not await strays.mark_returned(tx, stray, refund_id):
                return
            if stray.session_id is not None and stray.buyer_id is not None:
                await publish(
                    tx,
                    PaymentRefunded(
                        session_id=stray.session_id,
                        buyer_id=stray.buyer_id,
                        total=stray.money,
                        reason=stray.reason,
                        payment_id=stray.payment_id,
                        refund_id=refund_id,
                    ),
                )
        deps.journal.step("order", "refund", "returned")
