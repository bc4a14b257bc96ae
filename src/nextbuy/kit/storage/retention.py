"""Rows whose time is over are dropped in small batches, each by an index and in a transaction of its own.

Each batch goes on where the last one ended, so none walks over what the ones before it have left for vacuum. Between
two the shop has the database to itself. Copies that do it at the same time drop the same rows, which comes to the same.
"""

import asyncio
from typing import Final

from nextbuy.kit.storage.database import Database

BATCH: Final = 1_000
"""Rows that are looked at in a batch."""
_PAUSE: Final = 0.02
"""Seconds between batches: with it, still some ten thousand rows are dropped in a second."""


def purge_statement(table: str, position: str, before: str, *, among: str = "true", also: str = "true") -> str:
    """Return the statement that drops, of the next rows behind `position` $1, those that are old.

    Old is what is below `before` and is `also` so; `among` says which part of the index is looked at. The statement
    returns the position of the last row below `before` that it has seen, or null. It limits first and compares after:
    a planner that does not know how much is old might sort all of it otherwise.
    """
    return f"""
        WITH next AS MATERIALIZED (
            SELECT ctid, * FROM {table} WHERE {among} AND {position} > $1 ORDER BY {position} LIMIT {BATCH}
        ), dropped AS (
            DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM next WHERE {position} < {before} AND {also}))
        )
        SELECT {position} FROM next WHERE {position} < {before} ORDER BY {position} DESC LIMIT 1
    """  # noqa: S608  words of our own


async def purge(database: Database, statement: str, first: object, *values: object) -> None:
    """Run a statement made by `dropping` until it sees nothing old.

    `first` is the lowest position there can be, `values` are the statement's $2 and on.
    """
    position = first
    while (last := await database.fetchval(statement, position, *values)) is not None:
        position = last
        await asyncio.sleep(_PAUSE)
