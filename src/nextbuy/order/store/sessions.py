"""The SQL of sessions, apart from their transitions: claims, webhook events, and reads.

Work that a crash may interrupt is claimed for a limited time (`kit/storage/leases.py`); a lost claim allows no change.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from nextbuy.contracts.order import SoldLine
from nextbuy.contracts.values import Money
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction, from_row
from nextbuy.kit.storage.leases import Leases
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.kit.wire import encode
from nextbuy.order.model import NOT_CLAIMED, Session, State
from nextbuy.order.provider_webhook import WebhookEvent

CLAIM_CALL_TIMEOUT: Final = 4.0
"""Seconds that the calls made under a claim may take."""
CLAIM_SECONDS: Final = 6.0
"""How long a claim lasts: longer than `CLAIM_CALL_TIMEOUT` and the statements after the calls."""
COMPLETION: Final = Leases(
    "sessions",
    seconds=CLAIM_SECONDS,
    due="completion_due_at",
    attempts="completion_attempts",
    failures="completion_",
)
RELEASE: Final = Leases(
    "sessions", seconds=CLAIM_SECONDS, due="release_due_at", attempts="release_attempts", failures="release_"
)

_lines: Final = msgspec.json.Decoder(list[SoldLine]).decode
_refunds: Final = msgspec.json.Decoder(dict[str, Money]).decode


def session_from_row(row: Row, due: str = "completion_due_at", attempts: str = "completion_attempts") -> Session:
    """Return the session in a row, with the claim in the columns `due` and `attempts`."""
    received = row["received"]
    return from_row(
        Session,
        row,
        status=State(row["status"]),
        serial=row["serial"] or 0,
        total=Money(row["total"], row["currency"]),
        lines=_lines(row["lines"]),
        received=None if received is None else Money(received, row["received_currency"]),
        reported_refunds=reported_refunds(row),
        release_due=row["release_due_at"] is not None,
        claimed_until=row[due] or NOT_CLAIMED,
        attempts=row[attempts],
        failure=row[due.replace("due_at", "failure")],
    )


def reported_refunds(row: Row) -> dict[str, Money]:
    """Return the refunds in the row of a session that changed no state, by payment."""
    stored = row["reported_refunds"]
    return {} if stored is None else _refunds(stored)


async def read_for_payment(db: Executor, session_id: UUID, payment_id: str) -> Session | None:
    """Return a session with the serial number for its orders, if it exists and may use a payment.

    An unmatched payment stays one. A number that no payment then uses is skipped.
    """
    row = await db.fetchrow(
        """
        SELECT *, coalesce(serial, nextval('checkout_serials')) AS next_serial FROM sessions
         WHERE id = $1 AND NOT EXISTS (SELECT FROM unmatched_payments WHERE payment_id = $2)
        """,
        session_id,
        payment_id,
    )
    return None if row is None else replace(session_from_row(row), serial=row["next_serial"])


async def open_session(db: Executor, buyer_id: UUID) -> Session | None:
    """Return the session that a buyer has opening or open, or None."""
    row = await db.fetchrow(
        "SELECT * FROM sessions WHERE buyer_id = $1 AND exclusive AND status IN ('opening', 'open')", buyer_id
    )
    return None if row is None else session_from_row(row)


async def session_of(db: Executor, session_id: UUID, buyer_id: UUID) -> Session | None:
    """Return a session of a buyer, or None if the buyer has no such session."""
    row = await db.fetchrow("SELECT * FROM sessions WHERE id = $1 AND buyer_id = $2", session_id, buyer_id)
    return None if row is None else session_from_row(row)


async def lock(tx: Transaction, session_id: UUID | None) -> Session | None:
    """Lock a session, so that its events are in commit order, and return it; None if it does not exist."""
    row = await tx.fetchrow("SELECT * FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session_id)
    return None if row is None else session_from_row(row)


async def lock_for_refund(tx: Transaction, payment_ids: Sequence[str], session_id: UUID | None) -> Session | None:
    """Lock the session of a refunded payment, which one of these ids names, or else the session of this id."""
    row = await tx.fetchrow(
        """
        SELECT * FROM sessions
         WHERE id = coalesce(
                   (SELECT id FROM sessions WHERE payment_id = ANY($1::text[]) ORDER BY paid_at LIMIT 1),
                   (SELECT session_id FROM unmatched_payments WHERE payment_id = ANY($1::text[]) LIMIT 1),
                   $2
               )
           FOR NO KEY UPDATE
        """,
        payment_ids,
        session_id,
    )
    return None if row is None else session_from_row(row)


async def store_reported_refund(tx: Transaction, session_id: UUID, payment_id: str, refunded: Money) -> None:
    """Store with a session what is refunded of one of its payments so far."""
    await tx.execute(
        "UPDATE sessions SET reported_refunds = coalesce(reported_refunds, '{}') || $2::jsonb WHERE id = $1",
        session_id,
        encode({payment_id: refunded}).decode(),
    )


# ── completion of paid checkouts ──

_ONE_OR_ALL: Final = "($2::uuid IS NULL OR id = $2)"
_CLAIM_COMPLETION: Final = COMPLETION.claim_statement(condition=_ONE_OR_ALL)
_CLAIM_RELEASE: Final = RELEASE.claim_statement(condition=_ONE_OR_ALL)


async def claim_paid_sessions(db: Database, limit: int, *, session_id: UUID | None = None) -> list[Session]:
    """Claim up to `limit` paid sessions without orders or a refund; `session_id` restricts the claim to one session."""
    return [session_from_row(row) for row in await db.fetch(_CLAIM_COMPLETION, limit, session_id)]


async def claim_paid_session(db: Database, session_id: UUID) -> Session | None:
    """Claim a paid session, unless its checkout is complete or claimed by another copy of the service."""
    return next(iter(await claim_paid_sessions(db, 1, session_id=session_id)), None)


async def reschedule(db: Database, session: Session, delay: float, failure: str) -> None:
    """Release the claim and schedule a retry in `delay` seconds because of `failure`, if we still hold it."""
    await COMPLETION.reschedule(db, [session.id], session.claimed_until, delay, failure)


# ── release of held stock ──


async def claim_releases(db: Database, limit: int, *, session_id: UUID | None = None) -> list[Session]:
    """Claim up to `limit` sessions whose stock is to be released; `session_id` restricts the claim to one session."""
    rows = await db.fetch(_CLAIM_RELEASE, limit, session_id)
    return [session_from_row(row, "release_due_at", "release_attempts") for row in rows]


async def mark_released(tx: Transaction, session: Session) -> bool:
    """Record that the stock is released; return false if the claim was lost."""
    return bool(
        await tx.fetchval(
            f"UPDATE sessions SET release_due_at = NULL, release_attempts = 0 WHERE {RELEASE.held} RETURNING true",  # noqa: S608
            [session.id],
            session.claimed_until,
        )
    )


async def holds_claim(db: Database, session: Session) -> bool:
    """Return whether the release is still due and claimed by us."""
    sql = f"SELECT true FROM sessions WHERE {RELEASE.held}"  # noqa: S608
    return bool(await db.fetchval(sql, [session.id], session.claimed_until))


async def reschedule_release(db: Database, session: Session, delay: float, failure: str) -> None:
    """Release the claim and schedule a retry in `delay` seconds because of `failure`, if we still hold it."""
    await RELEASE.reschedule(db, [session.id], session.claimed_until, delay, failure)


async def give_up_release(tx: Transaction, session_id: UUID, note: str) -> UUID | None:
    """End the attempts to release the stock of a session and return its buyer; None if no release is due."""
    buyer_id: UUID | None = await tx.fetchval(
        """
        UPDATE sessions SET release_due_at = NULL, release_failure = $2
         WHERE id = $1 AND release_due_at IS NOT NULL
        RETURNING buyer_id
        """,
        session_id,
        f"given up: {note}",
    )
    return buyer_id


# ── webhook events ──


async def insert_webhook_event(tx: Transaction, event: WebhookEvent) -> bool:
    """Mark an event of the provider as seen; return false if it was seen before."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO webhook_events (id, type, session_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true
            """,
            event.event_id,
            event.type,
            event.session_id,
        )
    )


_PURGE: Final = purge_statement("webhook_events", "received_at", "now() - interval '40 days'")


async def purge_webhook_events(db: Database) -> None:
    """Delete events that the provider can no longer resend: it retries for days, and resends on request for 30 days.

    A duplicate that comes later still changes nothing, because of the state of its session.
    """
    await purge(db, _PURGE, FIRST_MOMENT)


async def has_payment(db: Executor, session_id: UUID, payment_id: str) -> bool:
    """Return whether this payment is recorded as the session's own."""
    return bool(
        await db.fetchval(
            "SELECT true FROM sessions WHERE id = $1 AND payment_id = $2 AND paid_at IS NOT NULL",
            session_id,
            payment_id,
        )
    )
