"""The SQL by which whole lives are read: as the rows hold them, and as the event log tells them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.order import SessionPaid, SoldLine
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money
from nextbuy.kit.events import event_log
from nextbuy.kit.storage.database import Row, Transaction
from nextbuy.order.history import OrderProjection, OtherPayment, SessionProjection, read
from nextbuy.order.model import State

MOST_EVENTS: Final = 20_000
"""So many are read at once: twice what a page of a hundred baskets comes to, each from fifty shops."""
FIRST: Final = UUID(int=0)
"""Before every id."""

_sold_lines: Final = msgspec.json.Decoder(list[SoldLine]).decode
_priced_lines: Final = msgspec.json.Decoder(list[PricedLine]).decode


async def session_ids(tx: Transaction, last: UUID, *, limit: int) -> list[UUID]:
    """Return the ids of sessions behind one, in order: of those in the table, and those that only the log knows."""
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
        last,
        limit,
    )
    return [row["id"] for row in rows]


async def begun_before(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of them were begun before their steps were told."""
    rows = await tx.fetch("SELECT id FROM sessions WHERE id = ANY($1::uuid[]) AND NOT told", ids)
    return {row["id"] for row in rows}


async def stored_lives(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, SessionProjection]:
    """Return what the tables hold of sessions, with their orders and the payments beside them."""
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
    others = await tx.fetch("SELECT * FROM stray_payments WHERE session_id = ANY($1::uuid[])", ids)
    orders_of: dict[UUID, dict[UUID, OrderProjection]] = defaultdict(dict)
    for row in orders:
        orders_of[row["session_id"]][row["id"]] = _order(row)
    others_of: dict[UUID, dict[str, OtherPayment]] = defaultdict(dict)
    for row in others:
        others_of[row["session_id"]][row["payment_id"]] = _other(row)
    return {row["id"]: _life(row, orders_of[row["id"]], others_of[row["id"]]) for row in sessions}


def _life(row: Row, orders: dict[UUID, OrderProjection], others: dict[str, OtherPayment]) -> SessionProjection:
    return SessionProjection(
        id=row["id"],
        buyer_id=row["buyer_id"],
        status=State(row["status"]),
        total=Money(row["total"], row["currency"]),
        lines=_sold_lines(row["lines"]),
        expires_at=row["expires_at"],
        opened=row["payment_url"] is not None,
        payment_id=row["payment_id"],
        received=None if row["received"] is None else Money(row["received"], row["received_currency"]),
        reason=row["reason"],
        refund_id=row["refund_id"],
        orders=orders,
        others=others,
    )


def _order(row: Row) -> OrderProjection:
    return OrderProjection(
        number=row["number"],
        buyer_id=row["buyer_id"],
        shop_id=row["shop_id"],
        seller_id=row["seller_id"],
        status=row["status"],
        total=Money(row["total"], row["currency"]),
        lines=[] if row["lines"] is None else _priced_lines(row["lines"]),
    )


def _other(row: Row) -> OtherPayment:
    return OtherPayment(
        total=Money(row["amount"], row["currency"]),
        reason=row["reason"],
        returned=row["refund_id"] is not None,
        refund_id=row["refund_id"],
    )


async def told_events(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
    """Return what the log tells of sessions and of the orders that came of them, in order.

    Raises:
        Conflict: there are more than `MOST_EVENTS` (`too-many-events`).
    """
    of_sessions = await _log_of(tx, [str(one) for one in ids])
    told: dict[UUID, list[Event]] = defaultdict(list)
    session_of: dict[str, UUID] = {}
    for envelope in of_sessions:
        event = read(envelope)
        if event is None:
            continue
        session_id = UUID(envelope.key)
        told[session_id].append(event)
        if isinstance(event, SessionPaid):
            session_of |= {str(order_id): session_id for order_id in event.order_ids}
    # Behind the session's own: an order is told of after its session was paid, and nothing of it changes the session.
    for envelope in await _log_of(tx, list(session_of)):
        event = read(envelope)
        if event is not None:
            told[session_of[envelope.key]].append(event)
    return told


async def _log_of(tx: Transaction, keys: Sequence[str]) -> list[Envelope]:
    envelopes = await event_log.of_keys(tx, keys, limit=MOST_EVENTS + 1)
    if len(envelopes) > MOST_EVENTS:
        raise Conflict(f"These have more than {MOST_EVENTS} events; ask for fewer at once.", slug="too-many-events")
    return envelopes
