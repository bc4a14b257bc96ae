"""The SQL of sessions, and of the orders that come of them.

Each act on a session is one statement that says from which states it may be done, so two copies can never both do it.
Work that a crash may interrupt is taken on for a while (`work_at`, `release_at` are moved ahead, and the moment written
is the claim); only who still has the claim may conclude.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.order import Address, SoldLine
from nextbuy.contracts.simulator import PaymentOpened
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.kit.wire import encode
from nextbuy.order.model import LATE, OTHER_AMOUNT, Draft, Session, State, Transition, after, sources

LEASE: Final = "6 seconds"
"""For so long a claim is one's own. What is asked of others under it has its deadline earlier (`WORK_LIMIT`)."""
WORK_LIMIT: Final = 4.0
"""Seconds that the calls made under a claim may take."""

_lines: Final = msgspec.json.Decoder(list[SoldLine]).decode
_address: Final = msgspec.json.Decoder(Address).decode


class Claim(Struct, frozen=True):
    """A session taken on, and the moment until which it is ours."""

    session: Session
    until: datetime
    tries: int = 0


def _text(value: object) -> str | None:
    return None if value is None else encode(value).decode()


def _session(row: Row) -> Session:
    received = row["received"]
    return Session(
        id=row["id"],
        serial=row["serial"],
        buyer_id=row["buyer_id"],
        status=State(row["status"]),
        total=Money(row["total"], row["currency"]),
        lines=_lines(row["lines"]),
        address=None if row["address"] is None else _address(row["address"]),
        expires_at=row["expires_at"],
        payment_id=row["payment_id"],
        received=None if received is None else Money(received, row["received_currency"]),
        reason=row["reason"],
        refund_id=row["refund_id"],
        traceparent=row["traceparent"],
        correlation_id=row["correlation_id"],
    )


# ── a session begins ──


async def insert_session(tx: Transaction, session: Session, *, ends_at: datetime) -> None:
    """Write down a session of which nothing is held yet; it lapses at `ends_at` unless it is opened."""
    await tx.execute(
        """
        INSERT INTO sessions
               (id, buyer_id, status, total, currency, lines, address, expires_at, ends_at, traceparent, correlation_id,
                told)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true)
        """,
        session.id,
        session.buyer_id,
        session.status,
        session.total.amount,
        session.total.currency,
        _text(session.lines),
        _text(session.address),
        session.expires_at,
        ends_at,
        session.traceparent,
        session.correlation_id,
    )


async def open_session(tx: Transaction, session_id: UUID, payment: PaymentOpened) -> Session | None:
    """Give a session its payment page; None where it has lapsed meanwhile."""
    row = await tx.fetchrow(
        """
        UPDATE sessions SET status = $2, payment_id = $4, payment_url = $5, ends_at = expires_at
         WHERE id = $1 AND status = ANY($3) RETURNING *
        """,
        session_id,
        after(Transition.OPENED),
        sources(Transition.OPENED),
        payment.payment_id,
        payment.url,
    )
    return None if row is None else _session(row)


_END: Final = """
    UPDATE sessions SET status = $2, reason = $4, ends_at = NULL, release_at = CASE WHEN $5 THEN now() END
     WHERE id = $1 AND status = ANY($3) RETURNING *
"""


async def end(
    tx: Transaction, session_id: UUID, happening: Transition, reason: str, *, release: bool = True
) -> Session | None:
    """End an unpaid session; its units are due to be given back where `release`. None where it has moved on."""
    row = await tx.fetchrow(_END, session_id, after(happening), sources(happening), reason, release)
    return None if row is None else _session(row)


async def lapse(tx: Transaction, now: datetime, *, most: int) -> list[Session]:
    """End sessions whose time is over and return them; their units are due to be given back."""
    rows = await tx.fetch(
        """
        WITH due AS (
            SELECT id FROM sessions WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        UPDATE sessions AS s SET status = $3, reason = $5, ends_at = NULL, release_at = now()
          FROM due WHERE s.id = due.id AND s.status = ANY($4)
        RETURNING s.*
        """,
        now,
        most,
        after(Transition.LAPSED),
        sources(Transition.LAPSED),
        LATE,
    )
    return [_session(row) for row in rows]


# ── what it held is given back ──


async def claim_releases(db: Database, *, most: int, session_id: UUID | None = None) -> list[Claim]:
    """Take on sessions whose units are due to be given back (or the one that is named)."""
    rows = await db.fetch(
        f"""
        WITH due AS (
            SELECT id FROM sessions WHERE release_at <= now() AND ($2::uuid IS NULL OR id = $2)
             ORDER BY release_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE sessions AS s SET release_at = now() + interval '{LEASE}', release_tries = s.release_tries + 1
          FROM due WHERE s.id = due.id RETURNING s.*
        """,  # noqa: S608  a constant
        most,
        session_id,
    )
    return [Claim(_session(row), row["release_at"], row["release_tries"]) for row in rows]


async def released(db: Database, claim: Claim) -> None:
    """Nothing is left to give back; unless the session has moved on meanwhile, which then says itself what is due."""
    await db.execute(
        "UPDATE sessions SET release_at = NULL, release_tries = 0 WHERE id = $1 AND release_at = $2",
        claim.session.id,
        claim.until,
    )


async def is_due(db: Database, claim: Claim) -> bool:
    """Are the session's units still due to be given back, and is it still ours to do?"""
    return bool(
        await db.fetchval("SELECT true FROM sessions WHERE id = $1 AND release_at = $2", claim.session.id, claim.until)
    )


async def postpone_release(db: Database, claim: Claim, seconds: float) -> None:
    """Give a claim back, for another try in so many seconds."""
    await db.execute(
        "UPDATE sessions SET release_at = now() + make_interval(secs => $3) WHERE id = $1 AND release_at = $2",
        claim.session.id,
        claim.until,
        seconds,
    )


# ── money comes ──


async def mark_seen(tx: Transaction, event_id: str, kind: str, session_id: UUID | None) -> bool:
    """Note that the provider has said this; false where it had said it before."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO webhook_events (id, type, session_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true
            """,
            event_id,
            kind,
            session_id,
        )
    )


_FORGET: Final = purge_statement("webhook_events", "at", "now() - interval '40 days'")


async def forget_seen(db: Database) -> None:
    """Drop the notes of what the provider has said so long ago that it cannot say it again."""
    await purge(db, _FORGET, FIRST_MOMENT)


_TAKE_MONEY: Final = f"""
    WITH moved AS (
        UPDATE sessions
           SET status = CASE WHEN total = $4 AND currency = $5 THEN $6 ELSE $7 END,
               reason = CASE WHEN total = $4 AND currency = $5 THEN NULL ELSE $10 END,
               release_at = CASE WHEN total = $4 AND currency = $5 THEN NULL ELSE now() END,
               payment_id = $3, received = $4, received_currency = $5, money_at = now(), ends_at = NULL,
               work_at = now() + interval '{LEASE}', work_tries = 1
         WHERE id = $2 AND status = ANY($8)
        RETURNING *
    ), seen AS (
        INSERT INTO webhook_events (id, type, session_id) SELECT $1, $9, id FROM moved ON CONFLICT DO NOTHING
    )
    SELECT * FROM moved
"""  # noqa: S608  a constant


async def take_money(
    tx: Transaction, event_id: str, kind: str, session_id: UUID, payment_id: str, money: Money
) -> Claim | None:
    """Write down that a session's money is there, and take on what follows from it: orders, or a refund.

    From the commit on the money is accounted for. None, and nothing changed, where the session is not waiting for
    money.
    """
    row = await tx.fetchrow(
        _TAKE_MONEY,
        event_id,
        session_id,
        payment_id,
        money.amount,
        money.currency,
        after(Transition.MONEY_CAME),
        after(Transition.WRONG_MONEY_CAME),
        sources(Transition.MONEY_CAME),
        kind,
        OTHER_AMOUNT,
    )
    return None if row is None else Claim(_session(row), row["work_at"], row["work_tries"])


async def session_paid_by(db: Executor, session_id: UUID, payment_id: str) -> bool:
    """Has this payment's money been written down for this session?"""
    return bool(
        await db.fetchval(
            "SELECT true FROM sessions WHERE id = $1 AND payment_id = $2 AND money_at IS NOT NULL",
            session_id,
            payment_id,
        )
    )


async def claim_work(db: Database, *, most: int, session_id: UUID | None = None) -> list[Claim]:
    """Take on sessions whose money has not become orders or a refund yet (or the one that is named)."""
    rows = await db.fetch(
        f"""
        WITH due AS (
            SELECT id FROM sessions WHERE work_at <= now() AND ($2::uuid IS NULL OR id = $2)
             ORDER BY work_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE sessions AS s SET work_at = now() + interval '{LEASE}', work_tries = s.work_tries + 1
          FROM due WHERE s.id = due.id RETURNING s.*
        """,  # noqa: S608  a constant
        most,
        session_id,
    )
    return [Claim(_session(row), row["work_at"], row["work_tries"]) for row in rows]


async def postpone_work(db: Database, claim: Claim, seconds: float) -> None:
    """Give a claim back, for another try in so many seconds."""
    await db.execute(
        "UPDATE sessions SET work_at = now() + make_interval(secs => $3) WHERE id = $1 AND work_at = $2",
        claim.session.id,
        claim.until,
        seconds,
    )


# ── money becomes orders, or goes back ──

_WRITE_ORDERS: Final = """
    WITH won AS (
        UPDATE sessions SET status = $3, work_at = NULL WHERE id = $1 AND work_at = $2 AND status = ANY($4)
        RETURNING id, buyer_id, currency, address
    ), made AS (
        INSERT INTO orders (id, number, session_id, buyer_id, shop_id, seller_id, status, total, currency, address)
        SELECT new.id, new.number, won.id, won.buyer_id, new.shop_id, new.seller_id, 'paid', new.total,
               won.currency, won.address
          FROM won, unnest($5::uuid[], $6::text[], $7::uuid[], $8::uuid[], $9::bigint[])
               AS new (id, number, shop_id, seller_id, total)
    ), lined AS (
        INSERT INTO order_lines (order_id, position, product_id, title, quantity, unit_price)
        SELECT new.* FROM won, unnest($10::uuid[], $11::smallint[], $12::uuid[], $13::text[], $14::int[], $15::bigint[])
               AS new (order_id, position, product_id, title, quantity, unit_price)
    )
    SELECT true FROM won
"""


async def write_orders(tx: Transaction, claim: Claim, drafts: Sequence[Draft]) -> list[UUID] | None:
    """The goods are taken: write the session's orders and return their ids; None where the claim was lost."""
    ids = [new_id() for _ in drafts]
    lines = [
        (order_id, position, line)
        for order_id, draft in zip(ids, drafts, strict=True)
        for position, line in enumerate(draft.lines, 1)
    ]
    won = await tx.fetchval(
        _WRITE_ORDERS,
        claim.session.id,
        claim.until,
        after(Transition.GOODS_TAKEN),
        sources(Transition.GOODS_TAKEN),
        ids,
        [draft.number for draft in drafts],
        [draft.shop_id for draft in drafts],
        [draft.seller_id for draft in drafts],
        [draft.total.amount for draft in drafts],
        [order_id for order_id, _, _ in lines],
        [position for _, position, _ in lines],
        [line.product_id for _, _, line in lines],
        [line.title for _, _, line in lines],
        [line.quantity for _, _, line in lines],
        [line.unit_price.amount for _, _, line in lines],
    )
    return ids if won else None


async def owe_refund(tx: Transaction, claim: Claim, reason: str) -> Session | None:
    """The goods are gone: the money is to go back. The claim stays; None where it was lost."""
    row = await tx.fetchrow(
        """
        UPDATE sessions SET status = $3, reason = $5
         WHERE id = $1 AND work_at = $2 AND status = ANY($4) RETURNING *
        """,
        claim.session.id,
        claim.until,
        after(Transition.GOODS_GONE),
        sources(Transition.GOODS_GONE),
        reason,
    )
    return None if row is None else _session(row)


async def mark_refunded(tx: Transaction, session_id: UUID, refund_id: str | None) -> Session | None:
    """The money has gone back; None where that had been written down before."""
    row = await tx.fetchrow(
        """
        UPDATE sessions SET status = $2, refund_id = coalesce($4, refund_id), work_at = NULL
         WHERE id = $1 AND status = ANY($3) RETURNING *
        """,
        session_id,
        after(Transition.MONEY_RETURNED),
        sources(Transition.MONEY_RETURNED),
        refund_id,
    )
    return None if row is None else _session(row)
