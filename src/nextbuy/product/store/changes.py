"""The changes that were committed since a snapshot, for the product cache of each process."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.storage.database import Executor

MAX_CHANGES: Final = 5_000
"""Changes that are listed one by one; with more, everything counts as changed."""

# The rows of transactions that the snapshot did not see. None of them is older than the oldest transaction that was
# open then, so the index is read from there.
_SINCE: Final = (
    "changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)"
    " AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)"
)
CHANGES: Final = f"""
SELECT pg_current_snapshot()::text AS snapshot, product_id, shop_id
  FROM (SELECT) AS always LEFT JOIN (
    (SELECT id AS product_id, NULL::uuid AS shop_id FROM products WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT DISTINCT unnest(product_ids), NULL::uuid FROM stock_holds WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
    UNION ALL
    (SELECT NULL, shop_id FROM shops WHERE {_SINCE} LIMIT {MAX_CHANGES + 1})
  ) AS changed ON true
"""  # noqa: S608  made of constants


class Changes(Struct, frozen=True):
    """The changed products and shops, or `all`; and the snapshot for the next call."""

    snapshot: str
    product_ids: set[UUID]
    shop_ids: set[UUID]
    all: bool


async def changes_since(db: Executor, snapshot: str | None) -> Changes:
    """Return the changes that `snapshot` did not see; without a snapshot, everything counts as changed."""
    if snapshot is None:
        return Changes(await db.fetchval("SELECT pg_current_snapshot()::text"), set(), set(), all=True)
    rows = await db.fetch(CHANGES, snapshot)
    return Changes(
        rows[0]["snapshot"],
        {row["product_id"] for row in rows if row["product_id"] is not None},
        {row["shop_id"] for row in rows if row["shop_id"] is not None},
        all=len(rows) > MAX_CHANGES,
    )
