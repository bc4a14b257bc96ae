"""Units on their way: held for a session, sold, given back.

Each act is one statement, which locks products in order of id. A session's units are in its own row: whoever turns
its state gets them from that row, so an act never counts on what its snapshot happens to show. For the same reason an
update counts from the rows that were locked (`l.stock`), not from those that it finds (`p.stock`): PostgreSQL holds a
check constraint against a new row made of the snapshot's version before it notices that there is a later one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from nextbuy.contracts.product import Line
from nextbuy.kit.storage.database import Database, Executor, Transaction
from nextbuy.product.model import Seen

State = Literal["held", "sold", "released"]

# Takes all lines or none: the session's row is made only where there is enough of everything, and only who made it
# takes units.
_HOLD: Final = """
WITH locked AS MATERIALIZED (
    SELECT p.id, p.title, p.stock, p.held, w.quantity
      FROM unnest($2::uuid[], $3::int[]) AS w (product_id, quantity)
      JOIN products p ON p.id = w.product_id AND p.status = 'active'
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), session AS (
    INSERT INTO stock_sessions (session_id, state, product_ids, quantities, expires_at)
    SELECT $1, 'held', $2, $3, $4
     WHERE (SELECT count(*) = cardinality($2) AND bool_and(stock >= quantity) FROM locked)
    ON CONFLICT (session_id) DO NOTHING
    RETURNING session_id
), taken AS (
    UPDATE products p SET stock = l.stock - l.quantity, held = l.held + l.quantity
      FROM locked l
     WHERE p.id = l.id AND EXISTS (SELECT FROM session)
)
SELECT id, title, stock, EXISTS (SELECT FROM session) AS held FROM locked
"""
_GIVE_BACK: Final = """, locked AS MATERIALIZED (
    SELECT p.id, p.stock, p.held, l.quantity
      FROM (SELECT unnest(product_ids) AS product_id, unnest(quantities) AS quantity FROM session) l
      JOIN products p ON p.id = l.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), given AS (
    UPDATE products p SET stock = l.stock + l.quantity, held = l.held - l.quantity FROM locked l WHERE p.id = l.id
)"""
_RELEASE: Final = f"""
WITH session AS (
    INSERT INTO stock_sessions AS s (session_id, state, product_ids, quantities, expires_at)
    VALUES ($1, 'released', '{{}}', '{{}}', now())
    ON CONFLICT (session_id) DO UPDATE SET state = 'released', changed_in = pg_current_xact_id() WHERE s.state = 'held'
    RETURNING product_ids, quantities
){_GIVE_BACK}
SELECT product_ids FROM session
"""  # noqa: S608  made of constants
_RELEASE_EXPIRED: Final = f"""
WITH due AS MATERIALIZED (
    SELECT session_id FROM stock_sessions WHERE state = 'held' AND expires_at < now() - make_interval(secs => $1)
     ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED
), session AS (
    UPDATE stock_sessions s SET state = 'released', changed_in = pg_current_xact_id()
      FROM due WHERE s.session_id = due.session_id
    RETURNING s.product_ids, s.quantities
){_GIVE_BACK}
SELECT product_ids FROM session
"""  # noqa: S608
_SELL: Final = """
WITH session AS (
    UPDATE stock_sessions SET state = 'sold', changed_in = pg_current_xact_id() WHERE session_id = $1 AND state = 'held'
    RETURNING product_ids, quantities
), locked AS MATERIALIZED (
    SELECT p.id, p.held, p.sold, l.quantity
      FROM (SELECT unnest(product_ids) AS product_id, unnest(quantities) AS quantity FROM session) l
      JOIN products p ON p.id = l.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), sold AS (
    UPDATE products p SET held = l.held - l.quantity, sold = l.sold + l.quantity FROM locked l WHERE p.id = l.id
)
SELECT product_ids FROM session
"""
_REOPEN: Final = """
INSERT INTO stock_sessions AS s (session_id, state, product_ids, quantities, expires_at)
VALUES ($1, 'sold', $2, $3, now())
ON CONFLICT (session_id) DO UPDATE
   SET state = 'sold', product_ids = excluded.product_ids, quantities = excluded.quantities,
       changed_in = pg_current_xact_id()
 WHERE s.state = 'released'
RETURNING true
"""
_TAKE_AGAIN: Final = """
WITH locked AS MATERIALIZED (
    SELECT p.id, p.title, p.stock, p.sold, w.quantity
      FROM unnest($1::uuid[], $2::int[]) AS w (product_id, quantity)
      JOIN products p ON p.id = w.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), taken AS (
    UPDATE products p SET stock = l.stock - l.quantity, sold = l.sold + l.quantity
      FROM locked l
     WHERE p.id = l.id AND l.stock >= l.quantity
)
SELECT id, title, stock FROM locked
"""
_STATE: Final = "SELECT state FROM stock_sessions WHERE session_id = $1"


def _arrays(lines: Sequence[Line]) -> tuple[list[UUID], list[int]]:
    return [line.product_id for line in lines], [line.quantity for line in lines]


async def hold(
    reader: Executor, session_id: UUID, lines: Sequence[Line], expires_at: datetime
) -> tuple[bool, dict[UUID, Seen]]:
    """Hold units for a session, all or none, once; return whether it was done now, and what was there."""
    rows = await reader.fetch(_HOLD, session_id, *_arrays(lines), expires_at)
    return bool(rows and rows[0]["held"]), {row["id"]: Seen(row["title"], row["stock"]) for row in rows}


async def state_of(reader: Executor, session_id: UUID) -> State | None:
    """Return what has become of a session's units; None where it is not known."""
    state: State | None = await reader.fetchval(_STATE, session_id)
    return state


async def release(reader: Executor, session_id: UUID) -> list[UUID] | None:
    """Give back what a session holds, and let it hold nothing later; None where it had ended before."""
    product_ids: list[UUID] | None = await reader.fetchval(_RELEASE, session_id)
    return product_ids


async def release_expired(database: Database, grace: float) -> list[UUID] | None:
    """Give back what one session holds whose time was over `grace` seconds ago; None where there is none."""
    product_ids: list[UUID] | None = await database.fetchval(_RELEASE_EXPIRED, grace)
    return product_ids


async def sell(reader: Executor, session_id: UUID) -> list[UUID] | None:
    """Turn what a session holds into sold; None where it holds nothing."""
    product_ids: list[UUID] | None = await reader.fetchval(_SELL, session_id)
    return product_ids


async def reopen_as_sold(tx: Transaction, session_id: UUID, lines: Sequence[Line]) -> bool:
    """Turn a released or unknown session into a sold one; false where it is neither (any more)."""
    return bool(await tx.fetchval(_REOPEN, session_id, *_arrays(lines)))


async def take_again(tx: Transaction, lines: Sequence[Line]) -> dict[UUID, Seen]:
    """Sell units that nobody holds, wherever there are enough; return what was there before."""
    rows = await tx.fetch(_TAKE_AGAIN, *_arrays(lines))
    return {row["id"]: Seen(row["title"], row["stock"]) for row in rows}
