"""The SQL of the payment simulator. The outcome of a payment and its webhook are stored in one transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from nextbuy.contracts.simulator import OpenPayment
from nextbuy.contracts.values import Money
from nextbuy.kit.observability.telemetry import SpanContext
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction, from_row
from nextbuy.kit.storage.leases import Leases
from nextbuy.kit.stuck import StuckWork, leased_kind
from nextbuy.kit.wire import encode
from nextbuy.simulator.model import DECLINE_CODE, MAX_DECLINES, Outcome, Payment, Status, Webhook

_WEBHOOKS: Final = Leases("webhooks", seconds=15, key="event_id", attempts="attempts", failures="")
"""Claims of webhooks; longer than the `_TIMEOUT` of a delivery."""
STUCK: Final = StuckWork(leased_kind("webhook", _WEBHOOKS))


class ClaimedWebhook(Struct, frozen=True, kw_only=True):
    """A webhook to send, claimed until `due_at`."""

    event_id: str
    type: str
    body: bytes
    traceparent: str
    correlation_id: str
    attempts: int
    due_at: datetime
    created_at: datetime


def _payment(row: Row) -> Payment:
    return from_row(Payment, row, amount=Money(row["amount"], row["currency"]))


async def open_payment(db: Executor, payment_id: str, call: OpenPayment, trace: SpanContext) -> str:
    """Store a payment and return its id, or the id of the existing payment with this reference."""
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
    """Return a payment, locked until the end of the transaction, or None."""
    row = await tx.fetchrow("SELECT * FROM payments WHERE id = $1 FOR UPDATE", payment_id)
    return None if row is None else _payment(row)


async def decide(db: Executor, payment: Payment, outcome: Outcome, webhook: Webhook, now: datetime) -> bool:
    """Store the outcome of an open payment with its webhook; return false if it accepts no card any longer.

    A payment whose card is declined stays open for another card.
    """
    return bool(
        await db.fetchval(
            """
            WITH decided AS (
                UPDATE payments
                   SET status = CASE WHEN $7::text IS NULL THEN $2 ELSE status END,
                       declines = declines + CASE WHEN $7::text IS NULL THEN 0 ELSE 1 END,
                       decline_code = coalesce($7, decline_code)
                 WHERE id = $1 AND status = 'open' AND expires_at > $3 AND declines < $8 RETURNING *
            ), sent AS (
                INSERT INTO webhooks (event_id, payment_id, type, body, traceparent, correlation_id)
                SELECT $4, id, $5, $6, traceparent, correlation_id FROM decided
            )
            SELECT true FROM decided
            """,
            payment.id,
            outcome,
            now,
            webhook.event_id,
            webhook.type,
            encode(webhook.body).decode(),
            DECLINE_CODE if outcome == "declined" else None,
            MAX_DECLINES,
        )
    )


async def close(db: Executor, payment_id: str) -> Status | None:
    """Cancel a payment that is still open, and return its status now; None if it does not exist."""
    status: Status | None = await db.fetchval(
        """
        UPDATE payments SET status = CASE status WHEN 'open' THEN 'cancelled' ELSE status END WHERE id = $1
        RETURNING status
        """,
        payment_id,
    )
    return status


async def mark_refunded(tx: Transaction, payment_id: str, refund_id: str, reason: str) -> None:
    """Record the refund of a payment."""
    await tx.execute(
        "UPDATE payments SET status = 'refunded', refund_id = $2, refund_reason = $3 WHERE id = $1",
        payment_id,
        refund_id,
        reason,
    )


async def expire(tx: Transaction, now: datetime, limit: int) -> list[Payment]:
    """Expire up to `limit` payments that were not made in time, and return them."""
    rows = await tx.fetch(
        """
        WITH due AS (
            SELECT id FROM payments WHERE status = 'open' AND expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        UPDATE payments AS p SET status = 'expired' FROM due WHERE p.id = due.id RETURNING p.*
        """,
        now,
        limit,
    )
    return [_payment(row) for row in rows]


async def insert_webhooks(tx: Transaction, webhooks: Sequence[tuple[Payment, Webhook]]) -> None:
    """Store webhooks that are due at once, each with its payment."""
    await tx.executemany(
        """
        INSERT INTO webhooks (event_id, payment_id, type, body, traceparent, correlation_id)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
            (one.event_id, payment.id, one.type, encode(one.body).decode(), payment.traceparent, payment.correlation_id)
            for payment, one in webhooks
        ],
    )


_CLAIM: Final = _WEBHOOKS.claim_statement()


async def claim_webhooks(db: Database, limit: int) -> list[ClaimedWebhook]:
    """Claim up to `limit` due webhooks."""
    rows = await db.fetch(_CLAIM, limit)
    return [from_row(ClaimedWebhook, row, body=row["body"].encode()) for row in rows]


async def mark_delivered(db: Database, webhook: ClaimedWebhook) -> None:
    """Record that the marketplace has accepted a webhook, even if the claim was lost meanwhile."""
    await db.execute("UPDATE webhooks SET due_at = NULL, delivered_at = now() WHERE event_id = $1", webhook.event_id)


async def reschedule(db: Database, webhook: ClaimedWebhook, delay: float, failure: str) -> None:
    """Release the claim and schedule a retry in `delay` seconds because of `failure`, if we still hold it."""
    await _WEBHOOKS.reschedule(db, [webhook.event_id], webhook.due_at, delay, failure)


async def give_up_webhook(tx: Transaction, event_id: str, reason: str) -> None:
    """Stop sending a webhook, with the reason; its row is locked, and no delivery has claimed it."""
    sql = "UPDATE webhooks SET due_at = NULL, failure = $2 WHERE event_id = $1"
    await tx.execute(sql, event_id, f"given up: {reason}")


async def give_up(db: Database, webhook: ClaimedWebhook) -> None:
    """Stop sending a webhook, if we still hold the claim."""
    await db.execute(
        f"UPDATE webhooks SET due_at = NULL WHERE {_WEBHOOKS.held}",  # noqa: S608
        [webhook.event_id],
        webhook.due_at,
    )


def new_event_id() -> str:
    """Return the id of a new event."""
    return f"evt_{secrets.token_hex(12)}"
