"""The SQL of money that belongs to no session, or came for one a second time."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Money
from nextbuy.kit.storage.database import Database, Row, Transaction
from nextbuy.order.store.sessions import LEASE


class UnmatchedPayment(Struct, frozen=True, kw_only=True):
    """A payment that no goods can be given for; `until` is the claim of who sends it back."""

    payment_id: str
    session_id: UUID | None
    buyer_id: UUID | None
    money: Money
    reason: str
    traceparent: str
    correlation_id: str
    until: datetime
    tries: int


def _stray(row: Row) -> UnmatchedPayment:
    return UnmatchedPayment(
        payment_id=row["payment_id"],
        session_id=row["session_id"],
        buyer_id=row["buyer_id"],
        money=Money(row["amount"], row["currency"]),
        reason=row["reason"],
        traceparent=row["traceparent"],
        correlation_id=row["correlation_id"],
        until=row["work_at"],
        tries=row["work_tries"],
    )


async def _lock(tx: Transaction, session_id: UUID | None) -> UUID | None:
    """Lock the session that a payment was for, as for any other change that is told of it; return its buyer."""
    buyer_id: UUID | None = await tx.fetchval(
        "SELECT buyer_id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session_id
    )
    return buyer_id


async def insert_stray(  # noqa: PLR0913  the row
    tx: Transaction,
    *,
    payment_id: str,
    session_id: UUID | None,
    money: Money,
    reason: str,
    traceparent: str,
    correlation_id: str,
) -> UUID | None:
    """Write down money that must go back, once per payment, and due at once; return the buyer whose it is.

    None where that had been written down before, or no session is known that it was for.
    """
    buyer_id = await _lock(tx, session_id)
    written = await tx.fetchval(
        """
        INSERT INTO stray_payments
               (payment_id, session_id, buyer_id, amount, currency, reason, traceparent, correlation_id, work_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
        ON CONFLICT DO NOTHING RETURNING true
        """,
        payment_id,
        session_id,
        buyer_id,
        money.amount,
        money.currency,
        reason,
        traceparent,
        correlation_id,
    )
    return buyer_id if written else None


_CLAIM: Final = f"""
    WITH due AS (
        SELECT payment_id FROM stray_payments WHERE work_at <= now() ORDER BY work_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE stray_payments AS s SET work_at = now() + interval '{LEASE}', work_tries = s.work_tries + 1
      FROM due WHERE s.payment_id = due.payment_id RETURNING s.*
"""  # noqa: S608  a constant


async def claim_strays(db: Database, *, most: int) -> list[UnmatchedPayment]:
    """Take on payments that are to go back."""
    return [_stray(row) for row in await db.fetch(_CLAIM, most)]


async def mark_returned(tx: Transaction, stray: UnmatchedPayment, refund_id: str) -> bool:
    """It has gone back; false where the claim was lost."""
    await _lock(tx, stray.session_id)
    return bool(
        await tx.fetchval(
            """
            UPDATE stray_payments SET refund_id = $3, work_at = NULL
             WHERE payment_id = $1 AND work_at = $2 RETURNING true
            """,
            stray.payment_id,
            stray.until,
            refund_id,
        )
    )


async def postpone_stray(db: Database, stray: UnmatchedPayment, seconds: float) -> None:
    """Give a claim back, for another try in so many seconds."""
    await db.execute(
        "UPDATE stray_payments SET work_at = now() + make_interval(secs => $3) WHERE payment_id = $1 AND work_at = $2",
        stray.payment_id,
        stray.until,
        seconds,
    )
