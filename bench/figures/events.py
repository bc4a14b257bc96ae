"""The latency from the commit of an event to its notification, on an idle marketplace.

A seller creates a product that an admin must review. The time runs from before the commit (the event's row has the
start of its transaction) until a reader sees the row of admin, both by the clock of this machine; so it is an upper
bound.
"""

import asyncio
import time
from datetime import timedelta
from typing import Final

import asyncpg

from bench.http import Connection
from bench.market import Market, People
from bench.plan import Plan
from bench.programs import ProgramError
from bench.report import Figure, Mark, percentile

_TIMEOUT: Final = 5.0
_WARM: Final = 10
_GOOD: Final = {
    "title": "Portable radio with a leather strap",
    "description": "Receives what there is to receive, and runs for a week on two batteries.",
    "category": "electronics",
    "price": {"amount": 4_900, "currency": "USD"},
    "stock": 5,
    "tags": ["radio"],
}


async def events(target: Market, people: People, plan: Plan) -> Figure:
    """Measure events one at a time, each after the notification of the previous one."""
    shop = await Connection.connect(target.port)
    product = await asyncpg.connect(target.database_url("product"))
    admin = await asyncpg.connect(target.database_url("admin"))
    try:
        taken = [await _one(shop, people.shops[0].token, product, admin) for _ in range(_WARM + plan.events)][_WARM:]
    finally:
        shop.close()
        await product.close()
        await admin.close()
    seen = [milliseconds for milliseconds, _ in taken]
    return Figure(
        name="event to notification, p99",
        unit="ms",
        judged_unit="ms",
        ours=[percentile(seen, 0.99)],
        values=[percentile(seen, 0.99)],
        mark=Mark("at most", 50),
        mix=f"{len(seen)} pending products created over HTTP one after the other, idle; from before the commit in "
        "product to admin's row, over outbox, relay, Redis stream, dispatcher and the call to admin",
        details={
            "p50 ms": percentile(seen, 0.5),
            "max ms": max(seen),
            "p50 ms by the rows' own times": percentile([by_rows for _, by_rows in taken], 0.5),
        },
    )


async def _one(
    shop: Connection,
    token: str,
    product: "asyncpg.Connection[asyncpg.Record]",
    admin: "asyncpg.Connection[asyncpg.Record]",
) -> tuple[float, float]:
    status, made = await shop.request("POST", "/product/api/create-product", _GOOD, token)
    if status != 201 or made["product"]["status"] != "pending":  # noqa: PLR2004
        message = f"creating a pending product returned {status}: {made}"
        raise ProgramError(message)
    event = await product.fetchrow(
        "SELECT event_id, created_at FROM event_log WHERE key = $1 AND topic = 'product.pending' "
        "ORDER BY id DESC LIMIT 1",
        made["product"]["id"],
    )
    if event is None:
        message = "the event of a pending product is not in the log"
        raise ProgramError(message)
    ends = time.monotonic() + _TIMEOUT
    while True:
        row = await admin.fetchrow("SELECT created_at FROM notifications WHERE source_event_id = $1", event["event_id"])
        now = time.time()
        if row is not None:
            by_rows: timedelta = row["created_at"] - event["created_at"]
            return (now - event["created_at"].timestamp()) * 1000, by_rows.total_seconds() * 1000
        if time.monotonic() > ends:
            message = f"no notification of an event within {_TIMEOUT:g} s"
            raise ProgramError(message)
        await asyncio.sleep(0.0005)
