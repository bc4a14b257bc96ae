"""The outbox backlog of a service: the number of events that wait for the bus, and the age of the oldest."""

from typing import Final

from nextbuy.contracts.status import Backlog
from nextbuy.kit.events.outbox import BUCKETS
from nextbuy.kit.storage.database import Executor

_MAX_COUNTED: Final = 100_000
"""The highest number of rows that is counted, so that a long outage of the bus does not slow the count."""

_BACKLOG: Final = f"""
    WITH oldest AS (
        SELECT min(first.id) AS id FROM generate_series(0, {BUCKETS - 1}) AS buckets (n) CROSS JOIN LATERAL (
            SELECT id FROM outbox WHERE bucket = n::smallint ORDER BY id LIMIT 1
        ) AS first
    )
    SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT {_MAX_COUNTED}) AS pending) AS waiting,
           extract(epoch FROM clock_timestamp() - created_at)::float8 AS oldest_s
      FROM oldest LEFT JOIN event_log USING (id)
"""  # noqa: S608  constants


async def outbox_backlog(db: Executor) -> Backlog:
    """Return the outbox backlog of a service; at most `_MAX_COUNTED` events are counted."""
    row = await db.fetchrow(_BACKLOG)
    if row is None or not row["waiting"]:
        return Backlog(0)
    return Backlog(row["waiting"], None if row["oldest_s"] is None else round(row["oldest_s"], 3))
