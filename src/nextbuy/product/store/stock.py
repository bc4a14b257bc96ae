"""The SQL of stock: units are held for a payment session, then sold or released.

Each step is one statement that locks products in order of id. The units of a payment session are in its own row, and
the statement that changes its state reads them from there, never from a snapshot. For the same reason updates compute
from the locked rows (`l.stock`), not from the rows they update (`p.stock`): PostgreSQL applies check constraints to a
row computed from the snapshot before it notices a newer version.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from nextbuy.contracts.product import Line
from nextbuy.kit.storage.database import Executor, Transaction
from nextbuy.product.model import StockLevel

State = Literal["held", "sold", "released"]


class Held(NamedTuple):
    """The result of an attempt to hold units."""

    made: bool
    """Whether this attempt made the hold."""
    levels: dict[UUID, StockLevel]
    """The stock before, of each product in the basket that is for sale."""
    locked: list[UUID]
    """All products whose stock may have changed."""


# All lines or none: the row of the hold is inserted only if there is enough of everything, and units are taken only by
# the statement that inserted it. The units of a replaced session return in any case. A row whose numbers stay
# the same is not updated, so its version stays too.
_HOLD: Final = """
WITH replaced AS (
    UPDATE stock_holds SET state = 'released', changed_in = pg_current_xact_id()
     WHERE session_id = $5 AND state = 'held'
    RETURNING product_ids, quantities
), changes AS (
    SELECT product_id, sum(wanted)::int AS quantity, sum(returned)::int AS returned
      FROM (SELECT product_id, wanted, 0 AS returned FROM unnest($2::uuid[], $3::int[]) AS w (product_id, wanted)
             UNION ALL
            SELECT product_id, 0, units FROM replaced, unnest(product_ids, quantities) AS r (product_id, units)) lines
     GROUP BY product_id
), locked AS MATERIALIZED (
    SELECT p.id, p.title, p.status, p.stock + c.returned AS stock, p.held - c.returned AS held, c.quantity, c.returned
      FROM changes c
      JOIN products p ON p.id = c.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), session AS (
    INSERT INTO stock_holds (session_id, state, product_ids, quantities, expires_at)
    SELECT $1, 'held', $2, $3, $4
     WHERE (SELECT count(*) = cardinality($2) AND bool_and(stock >= quantity)
              FROM locked WHERE quantity > 0 AND status = 'active')
    ON CONFLICT (session_id) DO NOTHING
    RETURNING session_id
), moved AS (
    SELECT l.id, l.stock - l.quantity * taken.units AS stock, l.held + l.quantity * taken.units AS held
      FROM locked l, (SELECT count(*)::int AS units FROM session) AS taken
     WHERE l.quantity * taken.units <> l.returned
), updated AS (
    UPDATE products p SET stock = m.stock, held = m.held FROM moved m WHERE p.id = m.id
)
SELECT id, title, stock, quantity > 0 AND status = 'active' AS wanted, EXISTS (SELECT FROM session) AS held FROM locked
"""
_RETURN_UNITS: Final = """, locked AS MATERIALIZED (
    SELECT p.id, p.stock, p.held, l.quantity
      FROM (SELECT product_id, sum(quantity)::int AS quantity
              FROM session, unnest(product_ids, quantities) AS line (product_id, quantity)
             GROUP BY product_id) l
      JOIN products p ON p.id = l.product_id
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
), returned AS (
    UPDATE products p SET stock = l.stock + l.quantity, held = l.held - l.quantity FROM locked l WHERE p.id = l.id
)"""
_RELEASE: Final = f"""
WITH session AS (
    INSERT INTO stock_holds AS s (session_id, state, product_ids, quantities, expires_at)
    VALUES ($1, 'released', '{{}}', '{{}}', now())
    ON CONFLICT (session_id) DO UPDATE SET state = 'released', changed_in = pg_current_xact_id() WHERE s.state = 'held'
    RETURNING product_ids, quantities
){_RETURN_UNITS}
SELECT product_ids FROM session
"""  # noqa: S608  made of constants
_RELEASE_EXPIRED: Final = f"""
WITH due AS MATERIALIZED (
    SELECT session_id FROM stock_holds WHERE state = 'held' AND expires_at < now() - make_interval(secs => $1)
     ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), session AS (
    UPDATE stock_holds s SET state = 'released', changed_in = pg_current_xact_id()
      FROM due WHERE s.session_id = due.session_id
    RETURNING s.product_ids, s.quantities
){_RETURN_UNITS}
SELECT product_ids FROM session
"""  # noqa: S608
_COMMIT: Final = """
WITH session AS (
    UPDATE stock_holds SET state = 'sold', changed_in = pg_current_xact_id() WHERE session_id = $1 AND state = 'held'
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
_MARK_SOLD: Final = """
INSERT INTO stock_holds AS s (session_id, state, product_ids, quantities, expires_at)
VALUES ($1, 'sold', $2, $3, now())
ON CONFLICT (session_id) DO UPDATE
   SET state = 'sold', product_ids = excluded.product_ids, quantities = excluded.quantities,
       changed_in = pg_current_xact_id()
 WHERE s.state = 'released'
RETURNING true
"""
_COMMIT_FROM_STOCK: Final = """
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
_HELD_UNITS: Final = """
SELECT product_id, quantity FROM stock_holds AS h, unnest(product_ids, quantities) AS line (product_id, quantity)
 WHERE h.session_id = $1 AND h.state = 'held'
"""
_STATE: Final = "SELECT state FROM stock_holds WHERE session_id = $1"


def _arrays(lines: Sequence[Line]) -> tuple[list[UUID], list[int]]:
    return [line.product_id for line in lines], [line.quantity for line in lines]


async def hold(
    db: Executor, session_id: UUID, lines: Sequence[Line], expires_at: datetime, replaces: UUID | None = None
) -> Held:
    """Hold units for a payment session, all or none, once, and release the units of the session that it replaces."""
    rows = await db.fetch(_HOLD, session_id, *_arrays(lines), expires_at, replaces)
    return Held(
        made=bool(rows and rows[0]["held"]),
        levels={row["id"]: StockLevel(row["title"], row["stock"]) for row in rows if row["wanted"]},
        locked=[row["id"] for row in rows],
    )


async def get_held_units(db: Executor, session_id: UUID | None) -> dict[UUID, int]:
    """Return the units that a payment session holds, by product."""
    rows = [] if session_id is None else await db.fetch(_HELD_UNITS, session_id)
    return {row["product_id"]: row["quantity"] for row in rows}


async def get_state(db: Executor, session_id: UUID) -> State | None:
    """Return the state of a payment session's units, or None if the session is unknown here."""
    state: State | None = await db.fetchval(_STATE, session_id)
    return state


async def release(db: Executor, session_id: UUID) -> list[UUID] | None:
    """Release a session's units and forbid a later hold; return their products, or None if sold or released before."""
    product_ids: list[UUID] | None = await db.fetchval(_RELEASE, session_id)
    return product_ids


async def release_expired(db: Executor, grace: float, limit: int) -> list[list[UUID]]:
    """Release up to `limit` holds that expired over `grace` seconds ago; return the products of each."""
    return [row["product_ids"] for row in await db.fetch(_RELEASE_EXPIRED, grace, limit)]


async def commit(db: Executor, session_id: UUID) -> list[UUID] | None:
    """Turn a payment session's held units into sold ones; return their products, or None if it holds nothing."""
    product_ids: list[UUID] | None = await db.fetchval(_COMMIT, session_id)
    return product_ids


async def mark_sold(tx: Transaction, session_id: UUID, lines: Sequence[Line]) -> bool:
    """Mark a released or unknown session as sold; return false if it is in another state."""
    return bool(await tx.fetchval(_MARK_SOLD, session_id, *_arrays(lines)))


async def commit_from_stock(tx: Transaction, lines: Sequence[Line]) -> dict[UUID, StockLevel]:
    """Sell units that are not held, of each product with enough of them; return the levels before."""
    rows = await tx.fetch(_COMMIT_FROM_STOCK, *_arrays(lines))
    return {row["id"]: StockLevel(row["title"], row["stock"]) for row in rows}
