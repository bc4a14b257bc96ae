"""The changes that were committed since a snapshot, for the product cache of each process."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.storage.changes import SINCE, Snapshot, changes_query, read_changes
from nextbuy.kit.storage.database import Database, Executor

MAX_CHANGES: Final = 5_000
"""Changes that are listed one by one; with more, everything counts as changed."""

CHANGES: Final = changes_query(f"""
    (SELECT id AS product_id, NULL::uuid AS shop_id FROM products WHERE {SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT DISTINCT unnest(product_ids), NULL::uuid FROM stock_holds WHERE {SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT NULL, shop_id FROM shops WHERE {SINCE} LIMIT {MAX_CHANGES + 1})
""")  # noqa: S608  made of constants


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
    """Return the changes that a snapshot did not see."""
    snapshot, rows = await read_changes(db, CHANGES, since)
    if rows is None:
        return Changes(snapshot, set(), set(), all=True)
    return Changes(
        snapshot,
        {row["product_id"] for row in rows if row["product_id"] is not None},
        {row["shop_id"] for row in rows if row["shop_id"] is not None},
        all=len(rows) > MAX_CHANGES,
    )
