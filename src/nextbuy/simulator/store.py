"""The SQL of the simulator. What becomes of a payment and the webhook that tells of it are written together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from msgspec import Struct

from nextbuy.contracts.simulator import OpenPayment
from nextbuy.contracts.values import Money
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.wire import encode
from nextbuy.simulator.model import Message, Outcome, Payment, Status

_LEASE: Final = "15 seconds"
"""For so long a webhook is its sender's; longer than it waits for an answer."""


class Delivery(Struct, frozen=True, kw_only=True):
    """A webhook to send."""

    event_id: str
    type: str
    body: bytes
    traceparent: str
    correlation_id: str
    tries: int
    created_at: datetime


def _payment(row: Row) -> Payment:
    return Payment(
        id=row["id"],
        reference=row["reference"],
        amount=Money(row["amount"], row["currency"]),
        description=row["description"],
        return_url=row["return_url"],
        status=cast("Status", row["status"]),
        expires_at=row["expires_at"],
        traceparent=row["traceparent"],
        correlation_id=row["correlation_id"],
        refund_id=row["refund_id"],
    )


async def open_payment(db: Executor, payment_id: str, call: OpenPayment, trace: SpanContext) -> str:
    """Write a payment and return its id: that of an earlier one where the reference has one."""
    return str(
        await db.fetchval(
            """
            INSERT INTO payments
                (id, reference, amount, currency, description, expires_at, traceparent, correlation_id, return_url)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (reference) DO UPDATE SET reference = excluded.reference RETURNING id
            """,
            payment_id,
            call.reference,
            call.amount.amount,
            call.amount.currency,
            call.description,
            call.expires_at,
            trace.traceparent,
            trace.correlation_id,
            call.return_url,
        )
    )


async def payment(db: Executor, payment_id: str) -> Payment | None:
    """Return a payment, or None."""
    row = await db.fetchrow("SELECT * FROM payments WHERE id = $1", payment_id)
    return None if row is None else _payment(row)


async def lock_payment(tx: Transaction, payment_id: str) -> Payment | None:
    """Return a payment that nobody else changes before the end of the transaction, or None."""
    row = await tx.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", payment_id)
    return None if row is None else _payment(row)


async def decide(db: Executor, payment: Payment, outcome: Outcome, message: Message, now: datetime) -> bool:
    """Give an open payment its outcome, and the webhook that tells of it; false where it is open no more."""
    return bool(
        await db.fetchval(
            """
            WITH decided AS (
                UPDATE payments SET status = $2 WHERE id = $1 AND status = 'open' AND expires_at > $3 RETURNING *
            ), sent AS (
                INSERT INTO deliveries (event_id, payment_id, type, body, traceparent, correlation_id)
                SELECT $4, id, $5, $6, traceparent, correlation_id FROM decided
            )
            SELECT true FROM decided
            """,
            payment.id,
            outcome,
            now,
            message.event_id,
            message.type,
            encode(message.body).decode(),
        )
    )


async def mark_refunded(tx: Transaction, payment_id: str, refund_id: str, reason: str) -> None:
    """Write down that a payment goes back."""
    await tx.execute(
        "UPDATE payments SET status = 'refunded', refund_id = $2, refund_reason = $3 WHERE id = $1",
        payment_id,
        refund_id,
        reason,
    )


async def expire(tx: Transaction, now: datetime, *, most: int) -> list[Payment]:
    """End payments that were not made in time, and return them."""
    rows = await tx.fetch(
        """
        WITH due AS (
            SELECT id FROM payments WHERE status = 'open' AND expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        UPDATE payments AS p SET status = 'expired' FROM due WHERE p.id = due.id RETURNING p.*
        """,
        now,
        most,
    )
    return [_payment(row) for row in rows]


async def insert_deliveries(tx: Transaction, messages: Sequence[tuple[Payment, Message]]) -> None:
    """Write webhooks that are to be sent."""
    await tx.executemany(
        """
        INSERT INTO deliveries (event_id, payment_id, type, body, traceparent, correlation_id)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
            (message.event_id, of.id, message.type, encode(message.body).decode(), of.traceparent, of.correlation_id)
            for of, message in messages
        ],
    )


_CLAIM: Final = f"""
    WITH due AS (
        SELECT event_id FROM deliveries WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE deliveries AS d SET due_at = now() + interval '{_LEASE}', tries = d.tries + 1
      FROM due WHERE d.event_id = due.event_id RETURNING d.*
"""  # noqa: S608  a constant


async def claim_deliveries(db: Database, *, most: int) -> list[Delivery]:
    """Take on webhooks that are due."""
    return [
        Delivery(
            event_id=row["event_id"],
            type=row["type"],
            body=row["body"].encode(),
            traceparent=row["traceparent"],
            correlation_id=row["correlation_id"],
            tries=row["tries"],
            created_at=row["created_at"],
        )
        for row in await db.fetch(_CLAIM, most)
    ]


async def mark_delivered(db: Database, event_id: str) -> None:
    """It was taken."""
    await db.execute("UPDATE deliveries SET due_at = NULL, delivered_at = now() WHERE event_id = $1", event_id)


async def postpone(db: Database, event_id: str, seconds: float) -> None:
    """It was not taken: send it again in so many seconds."""
    await db.execute(
        """
        UPDATE deliveries SET due_at = now() + make_interval(secs => $2) WHERE event_id = $1 AND delivered_at IS NULL
        """,
        event_id,
        seconds,
    )


async def give_up(db: Database, event_id: str) -> None:
    """It was not taken for so long that it is sent no more."""
    await db.execute("UPDATE deliveries SET due_at = NULL WHERE event_id = $1", event_id)
