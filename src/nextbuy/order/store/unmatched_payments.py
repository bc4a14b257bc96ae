"""The SQL of unmatched payments: no checkout can use them, so each is refunded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Money
from nextbuy.kit.storage.database import Database, Row, Transaction, from_row
from nextbuy.kit.storage.leases import Leases
from nextbuy.order.model import NOT_CLAIMED
from nextbuy.order.store.sessions import CLAIM_SECONDS

REFUND: Final = Leases(
    "unmatched_payments",
    seconds=CLAIM_SECONDS,
    key="payment_id",
    due="refund_due_at",
    attempts="refund_attempts",
    failures="refund_",
)
_CLAIM: Final = REFUND.claim_statement()


class UnmatchedPayment(Struct, frozen=True, kw_only=True):
    """A payment that is to be refunded."""

    payment_id: str
    session_id: UUID | None
    buyer_id: UUID | None = None
    """The buyer of the session, if the session exists."""
    money: Money
    reason: str
    refund_id: str | None = None
    traceparent: str
    correlation_id: str
    claimed_until: datetime = NOT_CLAIMED
    """The end of the claim with which the payment was read, and its fencing token."""
    attempts: int = 0


def _payment(row: Row) -> UnmatchedPayment:
    return from_row(
        UnmatchedPayment,
        row,
        money=Money(row["amount"], row["currency"]),
        claimed_until=row["refund_due_at"] or NOT_CLAIMED,
        attempts=row["refund_attempts"],
    )


async def lock_session_of(tx: Transaction, payment_id: str) -> None:
    """Lock the session of a payment, if both exist; every change of an unmatched payment takes this lock first."""
    await tx.execute(
        """
        SELECT FROM sessions WHERE id = (SELECT session_id FROM unmatched_payments WHERE payment_id = $1)
           FOR NO KEY UPDATE
        """,
        payment_id,
    )


async def insert(tx: Transaction, payment: UnmatchedPayment, now: datetime) -> bool:
    """Store a payment, whose refund is due at once unless it was made; return false if it was stored before."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO unmatched_payments (payment_id, session_id, buyer_id, amount, currency, reason, traceparent,
                                            correlation_id, received_at, refund_id, refund_due_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $10::text IS NULL THEN now() END)
            ON CONFLICT DO NOTHING RETURNING true
            """,
            payment.payment_id,
            payment.session_id,
            payment.buyer_id,
            payment.money.amount,
            payment.money.currency,
            payment.reason,
            payment.traceparent,
            payment.correlation_id,
            now,
            payment.refund_id,
        )
    )


async def claim(db: Database, limit: int) -> list[UnmatchedPayment]:
    """Claim up to `limit` payments whose refund is due."""
    return [_payment(row) for row in await db.fetch(_CLAIM, limit)]


async def mark_refunded(tx: Transaction, payment: UnmatchedPayment, refund_id: str) -> bool:
    """Record the refund; return false if the claim was lost."""
    return bool(
        await tx.fetchval(
            f"""
            UPDATE unmatched_payments SET refund_id = $3, refund_due_at = NULL WHERE {REFUND.held} RETURNING true
            """,  # noqa: S608
            [payment.payment_id],
            payment.claimed_until,
            refund_id,
        )
    )


async def find(tx: Transaction, payment_ids: Sequence[str]) -> UnmatchedPayment | None:
    """Return the payment that one of these ids names, or None."""
    row = await tx.fetchrow("SELECT * FROM unmatched_payments WHERE payment_id = ANY($1::text[])", payment_ids)
    return None if row is None else _payment(row)


async def mark_refunded_by_provider(tx: Transaction, payment: UnmatchedPayment, refund_id: str) -> bool:
    """Record a refund that was made without our request; return false if a refund is recorded already."""
    return bool(
        await tx.fetchval(
            """
            UPDATE unmatched_payments SET refund_id = $2, refund_due_at = NULL
             WHERE payment_id = $1 AND refund_id IS NULL
            RETURNING true
            """,
            payment.payment_id,
            refund_id,
        )
    )


async def reschedule(db: Database, payment: UnmatchedPayment, delay: float, failure: str) -> None:
    """Release the claim and schedule a retry in `delay` seconds because of `failure`, if we still hold it."""
    await REFUND.reschedule(db, [payment.payment_id], payment.claimed_until, delay, failure)


async def give_up(tx: Transaction, payment_id: str, note: str) -> UnmatchedPayment | None:
    """End the attempts to refund a payment and return it; None if it is refunded or given up already."""
    row = await tx.fetchrow(
        """
        UPDATE unmatched_payments SET refund_due_at = NULL, give_up_note = $2
         WHERE payment_id = $1 AND refund_due_at IS NOT NULL
        RETURNING *
        """,
        payment_id,
        note,
    )
    return None if row is None else _payment(row)
