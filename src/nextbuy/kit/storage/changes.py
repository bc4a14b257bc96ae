"""The rows that were committed since a snapshot, by a column `changed_in` that each change of them sets.

The column is the transaction of the last change (`xid8 NOT NULL DEFAULT pg_current_xact_id()`). A reader with a
snapshot gets exactly the changes that it did not see, regardless of how long the transactions took.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from nextbuy.kit.storage.database import Executor, Row

# The rows of transactions that the snapshot did not see. None of them is older than the oldest transaction that was
# open then, so the index is read from there.
SINCE: Final = (
    "changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)"
    " AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)"
)
"""The condition on the rows of a table in a query for `changes_query`."""
_NOW: Final = "pg_current_snapshot()::text AS snapshot, pg_postmaster_start_time() AS server_started"


class Snapshot(Struct, frozen=True):
    """A state of the database, on the server that started at a certain time."""

    text: str
    server_started: datetime


def changes_query(select: str) -> str:
    """Return a query for `read_changes` with the rows of `select`, which finds them by `SINCE`."""
    return f"SELECT {_NOW}, changed.* FROM (SELECT) AS always LEFT JOIN ({select}) AS changed ON true"  # noqa: S608


async def read_changes(db: Executor, query: str, since: Snapshot | None) -> tuple[Snapshot, list[Row] | None]:
    """Return the present snapshot, and the rows that were changed since another; None if everything counts as changed.

    Everything counts as changed without a snapshot, and after a snapshot of another server or of one that was
    restarted: a promoted replica may lack transactions that the snapshot saw, and reuse their ids. If nothing has
    changed, there is one row of nulls.
    """
    rows = await db.fetch(f"SELECT {_NOW}") if since is None else await db.fetch(query, since.text)
    snapshot = Snapshot(rows[0]["snapshot"], rows[0]["server_started"])
    if since is None or snapshot.server_started != since.server_started:
        return snapshot, None
    return snapshot, rows
