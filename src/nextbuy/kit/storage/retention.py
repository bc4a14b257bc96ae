"""Retention: the purge of expired rows in small batches, each found by an index and deleted in its own transaction.

Each batch continues from the end of the previous one, so that none rereads rows that vacuum has yet to remove;
between two batches the database serves others. Processes that purge at the same time do no harm.
Rows beyond one batch at exactly the same position wait for the next run.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

from nextbuy.kit.storage.database import Database

BATCH: Final = 1_000
"""Rows read per batch."""
FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
"""Position before all rows whose position is a time."""
_PAUSE: Final = 0.02
"""Seconds between batches; still allows some ten thousand deletions a second."""


def purge_statement(
    table: str, position: str, before: str, *, partition: str = "true", extra_condition: str = "true"
) -> str:
    """Return the statement that deletes the expired rows among the next `BATCH` rows after position $1.

    A row is expired if its position is below `before` and `extra_condition` holds; `partition` restricts the scan.
    The statement returns the last position below `before` that it read, or null. It limits before it compares, since a
    planner that does not know how many rows are expired might sort them all.
    """
    expired = f"{position} < {before} AND {extra_condition}"
    return f"""
        WITH next AS MATERIALIZED (
            SELECT ctid, * FROM {table} WHERE {partition} AND {position} > $1 ORDER BY {position} LIMIT {BATCH}
        ), purged AS (
            DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM next WHERE {expired})) AND {expired}
        )
        SELECT {position} FROM next WHERE {position} < {before} ORDER BY {position} DESC LIMIT 1
    """  # noqa: S608  constants only


async def purge(database: Database, statement: str, first: object, *values: object) -> None:
    """Run a statement from `purge_statement` until no expired row is left.

    `first` is a position below that of every row; `values` are the statement's $2 and on.
    """
    position = first
    while (last := await database.fetchval(statement, position, *values)) is not None:
        position = last
        await asyncio.sleep(_PAUSE)
