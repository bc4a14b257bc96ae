"""The SQL for verifying sessions: their projections from the tables, and their events from the event log."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import SessionPaid, SoldLine
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money
from nextbuy.kit.events import event_log
from nextbuy.kit.storage.database import Row, Transaction, from_row
from nextbuy.order.history import OrderProjection, SessionProjection, UnmatchedPaymentProjection, decode_event
from nextbuy.order.model import State, TooManyEvents

MAX_EVENTS: Final = 20_000
"""The limit of events in one read: twice as many as the sessions of a full page have with `MAX_LINES` shops each."""
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
    payments = await tx.fetch("SELECT * FROM unmatched_payments WHERE session_id = ANY($1::uuid[])", ids)
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
        opened=row["payment_url"] is not None,
        received=None if row["received"] is None else Money(row["received"], row["received_currency"]),
        orders=orders,
        unmatched_payments=unmatched_payments,
        violations=(),
    )


def _order(row: Row) -> OrderProjection:
    lines = [] if row["lines"] is None else _priced_lines(row["lines"])
    return from_row(OrderProjection, row, total=Money(row["total"], row["currency"]), lines=lines)


def _unmatched_payment(row: Row) -> UnmatchedPaymentProjection:
    total, refund_id = Money(row["amount"], row["currency"]), row["refund_id"]
    return UnmatchedPaymentProjection(
        total, row["reason"], refunded=refund_id is not None, refund_id=refund_id, give_up_note=row["give_up_note"]
    )


async def logged_events(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
    """Return the logged events of sessions and of their orders, in order.

    Raises:
        Conflict: there are more than `MAX_EVENTS` (`too-many-events`).
    """
    events: dict[UUID, list[Event]] = defaultdict(list)
    session_by_order: dict[str, UUID] = {}
    for envelope in await _read_log(tx, [str(session_id) for session_id in ids]):
        event = decode_event(envelope)
        if event is None:
            continue
        session_id = UUID(envelope.key)
        events[session_id].append(event)
        if isinstance(event, SessionPaid):
            session_by_order |= {str(order_id): session_id for order_id in event.order_ids}
    # The events of orders come last: all are later than the payment of the session, and none changes the session.
    for envelope in await _read_log(tx, list(session_by_order)):
        event = decode_event(envelope)
        if event is not None:
            events[session_by_order[envelope.key]].append(event)
    return events


async def _read_log(tx: Transaction, keys: Sequence[str]) -> list[Envelope]:
    envelopes = await event_log.read_keys(tx, keys, limit=MAX_EVENTS + 1)
    if len(envelopes) > MAX_EVENTS:
        raise TooManyEvents(f"These sessions have more than {MAX_EVENTS} events. Request a smaller page.")
    return envelopes
