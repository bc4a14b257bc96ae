"""The speed of rebuilding a projection from the event log while the marketplace runs.

The log of product is filled with views, as after some weeks; then a rebuild is requested as an operator does it, and
the analytics service reads the log with internal calls and counts every event once.
"""

import asyncio
import time
from typing import Final

import asyncpg

from bench.market import Market
from bench.plan import Plan
from bench.programs import ProgramError
from bench.report import Figure

_TIMEOUT: Final = 120.0
_BATCH: Final = 5_000
_FILL: Final = """
INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
SELECT event_id, 'product.viewed', product_id::text, 0, '', json_build_object(
         'id', event_id, 'type', 'product.viewed', 'source', 'product', 'time', at, 'key', product_id,
         'schema_version', 1, 'correlation_id', 'bench', 'causation_id', 'bench', 'traceparent', '',
         'data', json_build_object('product_id', product_id, 'shop_id', shop_id, 'seller_id', seller_id, 'views', 3,
                                   'hour', date_trunc('hour', at)))::text
  FROM (SELECT uuidv7() AS event_id, p.id AS product_id, p.shop_id, p.seller_id,
               '2026-01-01T00:00:00Z'::timestamptz + make_interval(mins => n) AS at
          FROM generate_series($1::int, $2::int) AS n
          JOIN (SELECT id, shop_id, seller_id, row_number() OVER () AS place FROM products LIMIT 1000) AS p
            ON p.place = 1 + n % (SELECT least(1000, count(*)) FROM products)) AS made
"""


async def rebuild(target: Market, plan: Plan) -> Figure:
    """Measure consecutive rebuilds of the product views."""
    product = await asyncpg.connect(target.database_url("product"))
    analytics = await asyncpg.connect(target.database_url("analytics"))
    try:
        for first in range(0, plan.rebuilt_events, _BATCH):
            await product.execute(_FILL, first, min(first + _BATCH, plan.rebuilt_events) - 1)
        taken = [await _one(analytics, plan.rebuilt_events) for _ in range(plan.rounds)]
    finally:
        await product.close()
        await analytics.close()
    return Figure(
        name="projection rebuilt",
        unit="events/s",
        judged_unit="events/s",
        ours=taken,
        values=taken,
        mix=f"product-views from {plan.rebuilt_events} views of 1,000 products in the log of product, over "
        "the internal call, batches of 1,000, each with its inbox rows in one transaction; from begin to switch",
    )


async def _one(analytics: "asyncpg.Connection[asyncpg.Record]", events: int) -> float:
    rebuild_id = await analytics.fetchval(
        "INSERT INTO rebuilds (id, name, requested_by) VALUES (uuidv7(), 'product-views', 'bench') RETURNING id"
    )
    ends = time.monotonic() + _TIMEOUT
    started = seconds = 0.0
    while True:
        row = await analytics.fetchrow("SELECT state, events, error FROM rebuilds WHERE id = $1", rebuild_id)
        now = time.monotonic()
        if row is None or row["error"] or now > ends:
            message = f"the projection was not rebuilt: {dict(row or {})}"
            raise ProgramError(message)
        started = started or (now if row["state"] != "requested" else 0.0)
        if row["state"] in ("clearing", "done"):
            seconds = seconds or now - started
        if row["state"] == "done":
            break
        await asyncio.sleep(0.002)
    if row["events"] < events:
        message = f"only {row['events']} of {events} events were read"
        raise ProgramError(message)
    return float(row["events"] / seconds)
