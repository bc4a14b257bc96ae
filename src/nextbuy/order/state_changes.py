"""The only functions that change the state of sessions and unmatched payments, each with its events.

Each writes the state and publishes the events, so neither happens without the other; a test verifies it. A restore
inserts rows as well, but only from events that are in the log (`order/restoration.py`).
"""

from datetime import datetime
from typing import Any, overload
from uuid import UUID

from msgspec.structs import replace

from nextbuy.contracts.order import (
    HoldReleased,
    PaymentGivenUp,
    PaymentRefunded,
    PaymentUnmatched,
    Reason,
    RefundDue,
    RefundReported,
    ReleaseGivenUp,
    UnmatchedPaymentGivenUp,
    UnmatchedPaymentRefunded,
    UnmatchedRefundReported,
)
from nextbuy.contracts.values import Money
from nextbuy.kit.events.outbox import publish, publish_change
from nextbuy.kit.observability.telemetry import current_span, start_span, use_span
from nextbuy.kit.storage.database import Executor, Transaction
from nextbuy.order.history import events_for
from nextbuy.order.model import NOT_CLAIMED, OrderDelayed, Session, State, Transition, covers, exceeds, source_states
from nextbuy.order.provider_webhook import WebhookEvent
from nextbuy.order.store import early_refunds, sessions, unmatched_payments
from nextbuy.order.store.sessions import session_from_row
from nextbuy.order.store.transitions import KnownStep, Step
from nextbuy.order.store.unmatched_payments import UnmatchedPayment


@overload
async def advance(db: Executor, step: KnownStep) -> Session | None: ...
@overload
async def advance(db: Transaction, step: Step) -> Session | None: ...
async def advance(db: Executor, step: Step) -> Session | None:
    """Make a transition of one session and publish its events.

    A `KnownStep` is one statement and needs no transaction. Return None if the session's state, or a lost claim,
    forbids the transition; then nothing is changed or published.
    """
    if isinstance(step, KnownStep):
        events = events_for(step.transition, step.session, step.orders)
        row = await publish_change(db, step.sql, step.values, events, follow_up=step.follow_up, at=step.at)
        return None if row is None else replace(step.session, claimed_until=row["claimed_until"] or NOT_CLAIMED)
    if not isinstance(db, Transaction):
        message = f"{step.transition} needs a transaction: its row and its events are separate statements"
        raise TypeError(message)
    row = await db.fetchrow(step.sql, *step.values)
    return None if row is None else await _publish(db, step, session_from_row(row))


async def advance_all(tx: Transaction, step: Step) -> list[Session]:
    """Make a transition of several sessions, and publish the events of each in the trace of its checkout."""
    sessions = [session_from_row(row) for row in await tx.fetch(step.sql, *step.values)]
    for session in sessions:
        with use_span(start_span(session.traceparent, session.correlation_id)):
            await _publish(tx, step, session)
    return sessions


async def _publish(tx: Transaction, step: Step, session: Session) -> Session:
    await publish(tx, *events_for(step.transition, session), at=step.at)
    return session


async def record_release(tx: Transaction, session: Session) -> None:
    """Record that the stock of a claimed session is released and publish it, if we still hold the claim."""
    if await sessions.mark_released(tx, session):
        await publish(tx, HoldReleased(session_id=session.id, buyer_id=session.buyer_id))


async def record_release_given_up(tx: Transaction, session_id: UUID, note: str) -> None:
    """End the attempts to release the stock of a session, and publish it."""
    buyer_id = await sessions.give_up_release(tx, session_id, note)
    if buyer_id is not None:
        await publish(tx, ReleaseGivenUp(session_id=session_id, buyer_id=buyer_id, note=note))


async def record_unmatched_payment(tx: Transaction, event: WebhookEvent, now: datetime) -> None:
    """Mark a webhook event as seen, store its payment once for a refund, and publish that the refund is due.

    Raises:
        Unavailable: the refund of the payment was recorded while it was matched (`order-delayed`).
    """
    # The session is locked first, as the transition of a matching payment does before it marks the event as seen.
    session = await sessions.lock(tx, event.session_id)
    refunded = session is not None and session.has_refund_of(event.payment_id, event.money)
    if session is not None and refunded and session.status in source_states(Transition.REFUNDED_EARLY):
        raise OrderDelayed(retry_after=1)
    if not await sessions.insert_webhook_event(tx, event):
        return
    early = await early_refunds.take(tx, event.payment_id)
    refunded = refunded or (early is not None and covers(early.of(event.money), event.money))
    # Another event may have reported it meanwhile, with another amount: then it is the payment of its session.
    if session is None or session.received is None or session.payment_id != event.payment_id:
        await _store_payment(tx, event, session, now, refunded=refunded)


async def _store_payment(
    tx: Transaction, event: WebhookEvent, session: Session | None, now: datetime, *, refunded: bool
) -> None:
    span = current_span()
    reason = session.reason if session is not None and session.status is State.CANCELLED else None
    payment = UnmatchedPayment(
        payment_id=event.payment_id,
        session_id=event.session_id,
        buyer_id=None if session is None else session.buyer_id,
        money=event.money,
        reason=reason or Reason.UNMATCHED,
        refund_id=event.event_id if refunded else None,
        traceparent=span.traceparent,
        correlation_id=span.correlation_id,
    )
    if await unmatched_payments.insert(tx, payment, now):
        due = PaymentUnmatched if session is None else RefundDue
        await publish(tx, due(**_fields(payment)), at=now)
        if payment.refund_id is not None:
            await _publish_refund(tx, payment, payment.refund_id)


async def record_unmatched_refund(tx: Transaction, payment: UnmatchedPayment, refund_id: str) -> bool:
    """Record the refund of a claimed payment and publish it; return false if the claim was lost."""
    await sessions.lock(tx, payment.session_id)
    recorded = await unmatched_payments.mark_refunded(tx, payment, refund_id)
    if recorded:
        await _publish_refund(tx, payment, refund_id)
    return recorded


async def record_provider_refund(tx: Transaction, payment: UnmatchedPayment, refund_id: str) -> None:
    """Record the full refund by the provider of a payment, whose session the caller has locked, and publish it."""
    if await unmatched_payments.mark_refunded_by_provider(tx, payment, refund_id):
        await _publish_refund(tx, payment, refund_id)


async def _publish_refund(tx: Transaction, payment: UnmatchedPayment, refund_id: str) -> None:
    refunded = UnmatchedPaymentRefunded if payment.buyer_id is None else PaymentRefunded
    await publish(tx, refunded(**_fields(payment), refund_id=refund_id))


async def record_reported_refund(tx: Transaction, session: Session, payment_id: str, refunded: Money) -> None:
    """Store a refund that changes no state with its session, which the caller has locked, and publish it.

    An amount that is not greater than the last one of the payment is a repetition.
    """
    if not exceeds(refunded, session.reported_refunds.get(payment_id)):
        return
    await sessions.store_reported_refund(tx, session.id, payment_id, refunded)
    await publish(
        tx,
        RefundReported(session_id=session.id, buyer_id=session.buyer_id, payment_id=payment_id, total=refunded),
    )


async def adopt_early_refund(tx: Transaction, event: WebhookEvent) -> bool:
    """Move a refund that was reported before its payment to the session that the payment names, and publish it.

    Return false if the session is unknown, or there is no such refund.
    """
    session = await sessions.lock(tx, event.session_id)
    early = None if session is None else await early_refunds.take(tx, event.payment_id)
    if session is None or early is None:
        return False
    await record_reported_refund(tx, session, event.payment_id, early.of(event.money))
    return True


async def publish_reported_refund(tx: Transaction, event: WebhookEvent, refunded: Money) -> None:
    """Publish a refund that changes no state, of a payment that no session knows."""
    reported = UnmatchedRefundReported(
        payment_id=event.payment_id, session_id=event.session_id, total=refunded, reason=Reason.UNMATCHED
    )
    await publish(tx, reported)


async def record_unmatched_given_up(tx: Transaction, payment_id: str, note: str) -> None:
    """End the attempts to refund an unmatched payment, whose session the caller has locked, and publish it."""
    payment = await unmatched_payments.give_up(tx, payment_id, note)
    if payment is not None:
        given_up = UnmatchedPaymentGivenUp if payment.buyer_id is None else PaymentGivenUp
        await publish(tx, given_up(**_fields(payment), note=note))


def _fields(payment: UnmatchedPayment) -> dict[str, Any]:
    buyer = {} if payment.buyer_id is None else {"buyer_id": payment.buyer_id}
    return buyer | {
        "session_id": payment.session_id,
        "payment_id": payment.payment_id,
        "total": payment.money,
        "reason": payment.reason,
    }
