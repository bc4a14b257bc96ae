"""Expired rows are purged in small batches, and their space is reused."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.bus.interface import RETENTION_DAYS
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.inbox import INBOX_DAYS, purge_inbox, record
from nextbuy.kit.storage import retention
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.retention import purge, purge_statement
from nextbuy.order.store import sessions
from nextbuy.order.store.early_refunds import purge_early_refunds
from tests.conftest import DatabaseUrl, OpenDatabase
from tests.kit.events.sample import Counted, count, send
from tests.waiting import until

MILLION = 1_000_000
EXPIRED = f"""
    INSERT INTO inbox (subscription, event_id, at)
    SELECT 'subscription', uuidv7(make_interval(days => -{INBOX_DAYS}, secs => n / 1000.0 - 9999)),
           now() - interval '41 days'
    FROM generate_series(1, $1::int) AS n
"""


def id_of(days: float) -> UUID:
    """Return an event id of `days` ago."""
    at = int((utc_now() - timedelta(days=days)).timestamp() * 1000)
    return UUID(int=at << 80 | new_id().int & (1 << 80) - 1)


async def test_inbox_rows_outlive_retention_of_bus_and_rejected_ones_stay(publisher: Database) -> None:
    old, late, recent, rejected = (id_of(INBOX_DAYS + days) for days in (1, 1, -1, 1))
    subscriptions = ("counts", "notifies", "removed")
    async with publisher.transaction() as tx:
        for event_id in (old, late, recent, rejected):
            reason = "No." if event_id == rejected else None
            await record(tx, [((name, event_id), reason) for name in subscriptions])
    # `late` is an old event that waited long in its outbox: it came a short time ago, and may come again.
    await publisher.execute("UPDATE inbox SET at = now() - interval '41 days' WHERE event_id <> $1", late)

    await purge_inbox(publisher)

    rows = await publisher.fetch("SELECT subscription, event_id FROM inbox")
    assert {tuple(row) for row in rows} == {(name, one) for name in subscriptions for one in (late, recent, rejected)}
    assert INBOX_DAYS > RETENTION_DAYS


async def test_stream_is_trimmed_before_inbox_rows_are_purged(redis: Redis, bus: RedisBus) -> None:
    stream = "nextbuy:stream:test.counted"
    day = 24 * 3600 * 1000
    await redis.xadd(stream, {"event": "old"}, id=f"{int(time.time() * 1000) - (RETENTION_DAYS + 1) * day}-0")
    await redis.xadd(stream, {"event": "recent"}, id=f"{int(time.time() * 1000) - (RETENTION_DAYS - 1) * day}-0")
    await send(bus, Counted(about="a", n=1))
    assert await redis.xlen(stream) == 2
    assert b"old" not in str(await redis.xrange(stream)).encode()


async def test_webhook_events_are_purged_after_forty_days(open_database: OpenDatabase) -> None:
    order = await open_database("order")
    await order.execute(
        "INSERT INTO webhook_events (id, type, received_at)"
        " SELECT 'e' || n, 'x', now() - make_interval(days => n) FROM generate_series(30, 50) AS n"
    )
    await sessions.purge_webhook_events(order)
    assert await count(order, "webhook_events") == 10


async def test_early_refunds_are_purged_after_forty_days(open_database: OpenDatabase) -> None:
    order = await open_database("order")
    await order.execute(
        "INSERT INTO early_refunds (payment_id, whole, reported_at)"
        " SELECT 'pay_' || n, true, now() - make_interval(days => n) FROM generate_series(30, 50) AS n"
    )
    await purge_early_refunds(order)
    assert await count(order, "early_refunds") == 10


async def test_only_rows_below_the_limit_are_deleted(publisher: Database) -> None:
    await publisher.execute("CREATE TABLE aged AS SELECT n AS position FROM generate_series(1, 5) AS n")

    await purge(publisher, purge_statement("aged", "position", "$2"), 0, 3)

    assert [row["position"] for row in await publisher.fetch("SELECT * FROM aged ORDER BY 1")] == [3, 4, 5]


async def test_rows_of_other_partitions_stay(publisher: Database) -> None:
    await publisher.execute("CREATE TABLE aged AS SELECT n AS position, n % 2 = 0 AS even FROM generate_series(1, 5) n")

    await purge(publisher, purge_statement("aged", "position", "5", partition="even"), 0)

    assert [row["position"] for row in await publisher.fetch("SELECT * FROM aged ORDER BY 1")] == [1, 3, 5]


async def test_processes_purge_concurrently(publisher: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_PAUSE", 0.0)
    await publisher.execute(EXPIRED, 20_000)
    await asyncio.gather(*[purge_inbox(publisher) for _ in range(3)])
    assert await count(publisher, "inbox") == 0


async def test_purge_continues_after_rows_that_stay(publisher: Database) -> None:
    await publisher.execute(EXPIRED, 3 * retention.BATCH)
    await publisher.execute(
        "UPDATE inbox SET at = now()"
        " WHERE event_id < (SELECT event_id FROM inbox ORDER BY event_id OFFSET 2000 LIMIT 1)"
    )
    await purge_inbox(publisher)
    assert await count(publisher, "inbox") == 2 * retention.BATCH


@pytest.mark.chaos
async def test_million_rows_are_purged_in_batches_and_space_is_reused(
    database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PAUSE", 0.0)
    url = await database_url("")
    database, admin = await Database.connect(url, ""), await asyncpg.connect(url)
    await admin.execute("ALTER TABLE inbox SET (autovacuum_enabled = off)")
    await admin.execute(EXPIRED, MILLION)
    await admin.execute("ANALYZE inbox")
    full = await sizes(admin)
    batches = 0
    fetchval = database.fetchval

    async def counting(sql: str, *values: object) -> object:
        nonlocal batches
        before = time.perf_counter()
        last = await fetchval(sql, *values)
        batches += 1
        assert time.perf_counter() - before < 5, "a batch took as long as a shop would wait"
        return last

    monkeypatch.setattr(database, "fetchval", counting)
    await purge_inbox(database)
    assert await admin.fetchval("SELECT count(*) FROM inbox") == 0
    assert MILLION / retention.BATCH <= batches <= MILLION / retention.BATCH * 1.1
    # The second vacuum reuses the index pages that the first one emptied, once no older transaction runs.
    await admin.execute("VACUUM inbox")
    await end_of_older_transactions(admin)
    await admin.execute("VACUUM inbox")
    await admin.execute(EXPIRED, MILLION)
    assert [size <= before * 1.05 for size, before in zip(await sizes(admin), full, strict=True)] == [True, True]
    await admin.execute("ALTER TABLE inbox RESET (autovacuum_enabled)")
    await admin.close()
    await database.close()


async def end_of_older_transactions(admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until each transaction on the server, in any database, is younger than this call."""
    limit = await admin.fetchval("SELECT pg_current_xact_id()::text")
    all_younger = (
        "SELECT bool_and(coalesce(greatest(age(backend_xid), age(backend_xmin)) < age($1::text::xid), true))"
        " FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    await until(lambda: admin.fetchval(all_younger, limit), "older transactions end", timeout=30)


async def sizes(admin: "asyncpg.Connection[asyncpg.Record]") -> list[int]:
    """The bytes of the table and of its index."""
    return [await admin.fetchval(f"SELECT pg_relation_size('{name}')") for name in ("inbox", "inbox_pkey")]
