"""The changes that were committed since a snapshot, for the product cache of each process."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.storage.database import Database, Executor

MAX_CHANGES: Final = 5_000
"""Changes that are listed one by one; with more, everything counts as changed."""

# The rows of transactions that the snapshot did not see. None of them is older than the oldest transaction that was
# open then, so the index is read from there.
_SINCE: Final = (
    "changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)"
    " AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)"
)
_NOW: Final = "pg_current_snapshot()::text AS snapshot, pg_postmaster_start_time() AS server_started"
CHANGES: Final = f"""
SELECT {_NOW}, product_id, shop_id
  FROM (SELECT) AS always LEFT JOIN (
    (SELECT id AS product_id, NULL::uuid AS shop_id FROM products WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT DISTINCT unnest(product_ids), NULL::uuid FROM stock_holds WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT NULL, shop_id FROM shops WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
  ) AS changed ON true
"""  # noqa: S608  made of constants


class Snapshot(Struct, frozen=True):
    """A state of the database, on the server that started at a certain time."""

    text: str
    server_started: datetime


class Changes(Struct, frozen=True):
    """The changed products and shops, or `all`; and the snapshot for the next call."""

    snapshot: Snapshot
    product_ids: set[UUID]
    shop_ids: set[UUID]
    all: bool


class ChangeFeed:
    """The feed of product changes, read over a connection of its own, so that a busy pool delays no poll."""

    def __init__(self, database: Database) -> None:
        """Connect to the same database at the first poll."""
        self._database = database
        self._own: Database | None = None

    async def read(self, since: Snapshot | None) -> Changes:
        """Return the changes since a snapshot."""
        if self._own is None:
            self._own = await self._database.reserve_connection()
        return await changes_since(self._own, since)


async def changes_since(db: Executor, since: Snapshot | None) -> Changes:
    """Return the changes that a snapshot did not see.

    Everything counts as changed without a snapshot, and after a snapshot of another server or of one that was
    restarted: a promoted replica may lack transactions that the snapshot saw, and reuse their ids.
    """
    rows = await db.fetch(f"SELECT {_NOW}") if since is None else await db.fetch(CHANGES, since.text)
    snapshot = Snapshot(rows[0]["snapshot"], rows[0]["server_started"])
    if since is None or snapshot.server_started != since.server_started:
        return Changes(snapshot, set(), set(), all=True)
    return Changes(
        snapshot,
        {row["product_id"] for row in rows if row["product_id"] is not None},
        {row["shop_id"] for row in rows if row["shop_id"] is not None},
        all=len(rows) > MAX_CHANGES,
    )
