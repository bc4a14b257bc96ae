"""The SQL of a restore: rows made from projections of the event log, inserted if they are missing.

Existing rows are never changed. Restored rows have no lease, and the due times of unfinished work are in the past, so
that jobs do it at once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from nextbuy.contracts.order import PaymentReceived
from nextbuy.kit.storage.database import Executor, Transaction
from nextbuy.order.history import OrderProjection, SessionProjection
from nextbuy.order.model import State
from nextbuy.order.unmatched_history import UnmatchedPaymentProjection, is_refund_due

_ADVISORY_LOCK: Final = 0x4E42_5245_5354_4F52
_LAST_PAYMENTS: Final = 1_000
"""Payments at the end of the log that are searched for the highest serial: each is logged soon after its assignment."""
_SERIAL_MARGIN: Final = 1_000
"""Serials skipped when the sequence moves, so that a serial assigned at the same moment is not assigned again."""

_ADVANCE_SERIALS: Final = """
    WITH logged AS (
        SELECT max((envelope::json -> 'data' ->> 'serial')::bigint) AS highest
          FROM (SELECT envelope FROM event_log WHERE topic = $1 ORDER BY id DESC LIMIT $2) AS last
    )
    SELECT setval('checkout_serials', highest + $3) FROM logged, checkout_serials
     WHERE highest > CASE WHEN is_called THEN last_value ELSE 0 END
"""

_INSERT: Final = """
    WITH added AS (
        INSERT INTO {table} SELECT new.* FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb) AS new
         WHERE {condition} ON CONFLICT DO NOTHING RETURNING true
    )
    SELECT count(*) FROM added
"""
_STATEMENTS: Final = {
    "sessions": _INSERT.format(table="sessions", condition="true"),
    "orders": _INSERT.format(
        table="orders", condition="EXISTS (SELECT FROM sessions WHERE sessions.id = new.session_id)"
    ),
    "order_lines": _INSERT.format(
        table="order_lines", condition="EXISTS (SELECT FROM orders WHERE orders.id = new.order_id)"
    ),
    "unmatched_payments": _INSERT.format(table="unmatched_payments", condition="true"),
}


async def lock_restore(tx: Transaction) -> bool:
    """Take the lock of the restore until this transaction ends, without a time limit; return false if it is taken."""
    await tx.execute("SET LOCAL transaction_timeout = 0")
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK))


async def advance_serials(db: Executor) -> None:
    """Move the sequence of serials above those in the log, so that no order number is used twice."""
    await db.execute(_ADVANCE_SERIALS, PaymentReceived.topic, _LAST_PAYMENTS, _SERIAL_MARGIN)


async def insert_missing(
    tx: Transaction, logged: Iterable[SessionProjection], stored: Mapping[UUID, SessionProjection]
) -> Counter[str]:
    """Insert the rows of logged sessions that are not stored, and return the number of new rows by table.

    A row is left out if a stored row has the same order number, or is another open session of the same buyer.
    """
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _STATEMENTS}
    for session in logged:
        known = stored.get(session.id)
        if known is None:
            rows["sessions"].append(_session_row(session))
        for order_id, order in session.orders.items():
            known_order = known.orders.get(order_id) if known else None
            if known_order is None:
                rows["orders"].append(_order_row(session.id, order_id, order))
            if known_order is None or known_order.lines != order.lines:
                rows["order_lines"] += _line_rows(order_id, order)
        rows["unmatched_payments"] += [
            _payment_row(payment_id, payment)
            for payment_id, payment in session.unmatched_payments.items()
            if known is None or payment_id not in known.unmatched_payments
        ]
    return await _insert(tx, rows)


async def insert_missing_payments(
    tx: Transaction, logged: Mapping[str, UnmatchedPaymentProjection], stored: Mapping[str, UnmatchedPaymentProjection]
) -> Counter[str]:
    """Insert the logged unmatched payments that are not stored, and return the number of new rows by table."""
    rows = [_payment_row(payment_id, payment) for payment_id, payment in logged.items() if payment_id not in stored]
    return await _insert(tx, {"unmatched_payments": rows})


async def _insert(tx: Transaction, rows: Mapping[str, list[dict[str, Any]]]) -> Counter[str]:
    return Counter(
        {
            table: int(await tx.fetchval(_STATEMENTS[table], msgspec.json.encode(new).decode()))
            for table, new in rows.items()
            if new
        }
    )


def _session_row(session: SessionProjection) -> dict[str, Any]:
    due = {
        # A session without a payment page was interrupted, and expires at once.
        "expiry_due_at": {State.OPENING: session.created_at, State.OPEN: session.expires_at}.get(session.status),
        "release_due_at": session.created_at if session.release_due else None,
        "release_attempts": 0,
        "completion_due_at": session.paid_at if session.status in {State.PAYING, State.REFUND_DUE} else None,
        "completion_attempts": 0,
        "exclusive": True,
    }
    received = session.received
    return due | {
        "id": session.id,
        "serial": session.serial,
        "buyer_id": session.buyer_id,
        "status": session.status,
        "total": session.total.amount,
        "currency": session.total.currency,
        "lines": session.lines,
        "expires_at": session.expires_at,
        "payment_id": session.payment_id,
        "payment_url": session.payment_url,
        "received": None if received is None else received.amount,
        "received_currency": None if received is None else received.currency,
        "paid_at": session.paid_at,
        "reason": session.reason,
        "declines": session.declines,
        "decline_code": session.decline_code,
        "declined_at": session.declined_at,
        "refund_id": session.refund_id,
        "reported_refunds": session.reported_refunds or None,
        "give_up_note": session.give_up_note,
        "traceparent": session.traceparent,
        "correlation_id": session.correlation_id,
        "created_at": session.created_at,
    }


def _order_row(session_id: UUID, order_id: UUID, order: OrderProjection) -> dict[str, Any]:
    return {
        "id": order_id,
        "number": order.number,
        "session_id": session_id,
        "buyer_id": order.buyer_id,
        "shop_id": order.shop_id,
        "seller_id": order.seller_id,
        "status": order.status,
        "total": order.total.amount,
        "currency": order.total.currency,
        "created_at": order.created_at,
    }


def _line_rows(order_id: UUID, order: OrderProjection) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order_id,
            "position": position,
            "product_id": line.product_id,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price": line.unit_price.amount,
        }
        for position, line in enumerate(order.lines, 1)
    ]


def _payment_row(payment_id: str, payment: UnmatchedPaymentProjection) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "session_id": payment.session_id,
        "buyer_id": payment.buyer_id,
        "amount": payment.total.amount,
        "currency": payment.total.currency,
        "reason": payment.reason,
        "refund_id": payment.refund_id,
        "give_up_note": payment.give_up_note,
        "traceparent": payment.traceparent,
        "correlation_id": payment.correlation_id,
        "received_at": payment.received_at,
        "refund_due_at": payment.received_at if is_refund_due(payment) else None,
        "refund_attempts": 0,
    }
