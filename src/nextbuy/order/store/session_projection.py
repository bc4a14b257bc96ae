"""The SQL that reads projections for verification and restore: from the tables, and as events from the event log."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from nextbuy.contracts.order import SessionPaid, SoldLine
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money
from nextbuy.kit.events import event_log
from nextbuy.kit.events.event_log import PublishedEvent
from nextbuy.kit.storage.database import Row, Transaction, from_row
from nextbuy.order.history import (
    OrderProjection,
    SessionProjection,
    decode_event,
)
from nextbuy.order.model import State, TooManyEvents
from nextbuy.order.store.sessions import reported_refunds
from nextbuy.order.unmatched_history import Origin, TracedEvent, UnmatchedPaymentProjection

MAX_EVENTS: Final = 20_000
"""Events per read, at most: twice as many as a full page of sessions has with `MAX_LINES` shops each."""
BEFORE_FIRST_ID: Final = UUID(int=0)

_sold_lines: Final = msgspec.json.Decoder(list[SoldLine]).decode
_priced_lines: Final = msgspec.json.Decoder(list[PricedLine]).decode


async def session_ids(tx: Transaction, after: UUID, *, limit: int) -> list[UUID]:
    """Return the next session ids after an id, in order: those in the table, and those only in the log."""
    rows = await tx.fetch(
        """
        SELECT id FROM (
            (SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT $2)
            UNION
            (SELECT log.key::uuid FROM event_log AS log
              WHERE log.topic = 'payment-session.created' AND log.key > $1::uuid::text
              ORDER BY log.key LIMIT $2)
        ) AS either (id)
        ORDER BY id LIMIT $2
        """,
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def stored_projections(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, SessionProjection]:
    """Return sessions from the tables, with their orders and unmatched payments."""
    sessions = await tx.fetch("SELECT * FROM sessions WHERE id = ANY($1::uuid[])", ids)
    orders = await tx.fetch(
        """
        SELECT o.*,
               (SELECT jsonb_agg(
                           jsonb_build_object('product_id', l.product_id, 'shop_id', o.shop_id, 'title', l.title,
                               'quantity', l.quantity,
                               'unit_price', jsonb_build_object('amount', l.unit_price, 'currency', o.currency))
                           ORDER BY l.position)
                  FROM order_lines AS l WHERE l.order_id = o.id) AS lines
          FROM orders AS o WHERE o.session_id = ANY($1::uuid[])
        """,
        ids,
    )
    payments = await tx.fetch(
        # A payment without a buyer arrived when its session was unknown; the log of the session lacks its events.
        "SELECT * FROM unmatched_payments WHERE session_id = ANY($1::uuid[]) AND buyer_id IS NOT NULL",
        ids,
    )
    orders_by_session: dict[UUID, dict[UUID, OrderProjection]] = defaultdict(dict)
    for row in orders:
        orders_by_session[row["session_id"]][row["id"]] = _order(row)
    payments_by_session: dict[UUID, dict[str, UnmatchedPaymentProjection]] = defaultdict(dict)
    for row in payments:
        payments_by_session[row["session_id"]][row["payment_id"]] = _unmatched_payment(row)
    return {row["id"]: _session(row, orders_by_session[row["id"]], payments_by_session[row["id"]]) for row in sessions}


def _session(
    row: Row, orders: dict[UUID, OrderProjection], unmatched_payments: dict[str, UnmatchedPaymentProjection]
) -> SessionProjection:
    return from_row(
        SessionProjection,
        row,
        status=State(row["status"]),
        total=Money(row["total"], row["currency"]),
        lines=_sold_lines(row["lines"]),
        received=None if row["received"] is None else Money(row["received"], row["received_currency"]),
        reported_refunds=reported_refunds(row),
        orders=orders,
        release_due=row["release_due_at"] is not None,
        unmatched_payments=unmatched_payments,
        violations=(),
    )


def _order(row: Row) -> OrderProjection:
    lines = [] if row["lines"] is None else _priced_lines(row["lines"])
    return from_row(OrderProjection, row, total=Money(row["total"], row["currency"]), lines=lines)


def _unmatched_payment(row: Row) -> UnmatchedPaymentProjection:
    return from_row(UnmatchedPaymentProjection, row, total=Money(row["amount"], row["currency"]))


async def stored_unmatched_payments(
    tx: Transaction, payment_ids: Sequence[str]
) -> dict[str, UnmatchedPaymentProjection]:
    """Return unmatched payments from the table, by payment id."""
    rows = await tx.fetch("SELECT * FROM unmatched_payments WHERE payment_id = ANY($1::text[])", payment_ids)
    return {row["payment_id"]: _unmatched_payment(row) for row in rows}


async def logged_events(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[TracedEvent]]:
    """Return the logged events of sessions and of their orders, in order.

    Raises:
        Conflict: there are more than `MAX_EVENTS` (`too-many-events`).
    """
    events: dict[UUID, list[TracedEvent]] = defaultdict(list)
    session_by_order: dict[str, UUID] = {}
    for key, traced in await _read_log(tx, [str(session_id) for session_id in ids]):
        session_id, event = UUID(key), traced[0]
        events[session_id].append(traced)
        if isinstance(event, SessionPaid):
            session_by_order |= {str(order_id): session_id for order_id in event.order_ids}
    # The events of orders come last: all are later than the payment of the session, and none changes the session.
    for key, traced in await _read_log(tx, list(session_by_order)):
        events[session_by_order[key]].append(traced)
    return events


async def logged_payment_events(tx: Transaction, payment_ids: Sequence[str]) -> dict[str, list[TracedEvent]]:
    """Return the logged events of payments that name no known session, in order, by payment id.

    Raises:
        Conflict: there are more than `MAX_EVENTS` (`too-many-events`).
    """
    events: dict[str, list[TracedEvent]] = defaultdict(list)
    for key, traced in await _read_log(tx, payment_ids):
        events[key].append(traced)
    return events


async def _read_log(tx: Transaction, keys: Sequence[str]) -> list[tuple[str, TracedEvent]]:
    published = await event_log.read_published(tx, keys, limit=MAX_EVENTS + 1)
    if len(published) > MAX_EVENTS:
        raise TooManyEvents(f"These sessions have more than {MAX_EVENTS} events. Request a smaller page.")
    return [(event.envelope.key, traced) for event in published if (traced := _traced(event)) is not None]


def _traced(published: PublishedEvent) -> TracedEvent | None:
    envelope, span = published.envelope, published.span
    event = decode_event(envelope)
    return None if event is None else (event, Origin(envelope.time, span.traceparent, span.correlation_id))
