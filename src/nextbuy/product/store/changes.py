"""What was committed since somebody last looked, for the caches of every process."""

from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.storage.database import Executor

MOST: Final = 5_000
"""Changes that are told one by one; where there were more, everything may have changed."""

# Rows of transactions that the earlier snapshot did not see. None of them is older than the oldest one that was open
# then, which is where the index begins to be read.
_SINCE: Final = (
    "changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)"
    " AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)"
)
CHANGES: Final = f"""
SELECT pg_current_snapshot()::text AS snapshot, product_id, shop_id
  FROM (SELECT) AS always LEFT JOIN (
    (SELECT id AS product_id, NULL::uuid AS shop_id FROM products WHERE {_SINCE} LIMIT {MOST + 1})
    UNION ALL
    (SELECT DISTINCT unnest(product_ids), NULL::uuid FROM stock_sessions WHERE {_SINCE} LIMIT {MOST + 1})
    UNION ALL
    (SELECT NULL, shop_id FROM shops WHERE {_SINCE} LIMIT {MOST + 1})
  ) AS changed ON true
"""  # noqa: S608  made of constants


class Look(Struct, frozen=True):
    """What a look saw: products that have changed, shops that have, or (`all`) anything; and what it could see."""

    snapshot: str
    product_ids: set[UUID]
    shop_ids: set[UUID]
    all: bool


async def look(reader: Executor, since: str | None) -> Look:
    """Return what was committed that the snapshot `since` did not show; everything where there is none."""
    if since is None:
        return Look(await reader.fetchval("SELECT pg_current_snapshot()::text"), set(), set(), all=True)
    rows = await reader.fetch(CHANGES, since)
    return Look(
        rows[0]["snapshot"],
        {row["product_id"] for row in rows if row["product_id"] is not None},
        {row["shop_id"] for row in rows if row["shop_id"] is not None},
        all=len(rows) > MOST,
    )
