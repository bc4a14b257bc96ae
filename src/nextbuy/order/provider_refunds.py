"""Refunds that the payment provider reports, at our request or at its own.

Only the full refund of a payment ends its session and orders. Any other refund changes no state: it is stored with
its session and published, so that admins see it. A payment that is reported after its full refund makes no order, even
if the refund did not name its session. The units of a refunded order stay sold, because they may be on their way.
"""

from nextbuy.contracts.values import Money
from nextbuy.kit.storage.database import Transaction
from nextbuy.order.model import RefundDelayed, Session, State, covers, split_by_shop
from nextbuy.order.provider_webhook import ReportedRefund, WebhookEvent
from nextbuy.order.state_changes import (
    advance,
    publish_reported_refund,
    record_provider_refund,
    record_reported_refund,
)
from nextbuy.order.store import early_refunds, orders, sessions, transitions, unmatched_payments
from nextbuy.order.store.unmatched_payments import UnmatchedPayment


async def act_on_refund(tx: Transaction, event: WebhookEvent) -> None:
    """Mark a refund event as seen, and end what it refunds in full.

    Raises:
        Unavailable: the payment is being recorded, or its checkout completed (`refund-delayed`).
    """
    ids = [event.payment_id, event.charge_id]
    session = await sessions.lock_for_refund(tx, ids, event.session_id)
    if not await sessions.insert_webhook_event(tx, event):
        return
    payment = await unmatched_payments.find(tx, ids)
    if payment is not None:
        await _refund_unmatched(tx, event, payment, session)
    elif session is None:
        await _refund_unknown(tx, event, ids)
    elif session.payment_id in ids and session.received is not None:
        await _refund_session(tx, session, session.received, event.refund)
    else:
        payment_id = session.payment_id if session.payment_id in ids else event.payment_id
        await record_reported_refund(tx, session, payment_id or "", event.refund.of(session.total))


async def _refund_session(tx: Transaction, session: Session, received: Money, refund: ReportedRefund) -> None:
    refunded = refund.of(received)
    if session.status is State.REFUNDED:
        return
    if not covers(refunded, received):
        await record_reported_refund(tx, session, session.payment_id or "", refunded)
    elif session.status is State.PAYING:
        raise RefundDelayed(retry_after=1)
    elif session.status is State.PAID:
        ids = await orders.order_ids_by_number(tx, session.id)
        drafts = [(ids[draft.number], draft) for draft in split_by_shop(session)]
        await advance(tx, transitions.refunded_late(session, drafts))
    else:
        await advance(tx, transitions.refunded(session.id, refund_id=None))


async def _refund_unmatched(
    tx: Transaction, event: WebhookEvent, payment: UnmatchedPayment, session: Session | None
) -> None:
    refunded = event.refund.of(payment.money)
    if covers(refunded, payment.money):
        await record_provider_refund(tx, payment, event.event_id)
    elif payment.refund_id is None and session is not None:
        await record_reported_refund(tx, session, payment.payment_id, refunded)
    elif payment.refund_id is None:
        await publish_reported_refund(tx, event, refunded)


async def _refund_unknown(tx: Transaction, event: WebhookEvent, ids: list[str]) -> None:
    refunded = event.refund.of(Money(0))
    if not event.refund.whole and not refunded.amount:
        return
    if await early_refunds.lock_against_payments(tx, ids):
        raise RefundDelayed(retry_after=1)
    await early_refunds.store(tx, ids, event.refund)
    await publish_reported_refund(tx, event, refunded)
