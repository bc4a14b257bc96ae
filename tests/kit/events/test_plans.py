"""Each statement uses an index, and reads as many pages with a million events as with a few thousand."""

import re
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest

from nextbuy.kit.events import event_log, inbox, log_listing, missing_events, outbox, relay
from nextbuy.kit.http import idempotency
from tests.conftest import DatabaseUrl

FEW, MANY = 5_000, 1_000_000
PENDING = 500
LOG = """
    INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope, created_at)
    SELECT uuidv7(make_interval(secs => n / 1000.0 - 100000)), 'topic-' || n % 20, 'key-' || n / 5, n % 16, '', '{}',
           now() + make_interval(secs => n / 1000.0 - 100000)
    FROM generate_series($1::int + 1, $2::int) AS n
"""
INBOX = """
    INSERT INTO inbox (subscription, event_id, at)
    SELECT 'subscription-' || n % 4, event_id, now() - interval '41 days'
    FROM (SELECT id AS n, event_id FROM event_log WHERE id > $1 AND id <= $2) AS logged
"""
KEYS = """
    INSERT INTO idempotency_keys (scope, key, fingerprint, attempt, leased_until, created_at)
    SELECT 'scope', n::text, '', uuidv7(), now(), now() - make_interval(secs => 200000 - n / 100)
    FROM generate_series($1::int / 10 + 1, $2::int / 10) AS n
"""
PENDING_ROWS = f"INSERT INTO outbox (bucket, id) SELECT bucket, id FROM event_log ORDER BY id DESC LIMIT {PENDING}"
IDS = "(SELECT array_agg(event_id) FROM (SELECT event_id FROM event_log ORDER BY id DESC LIMIT 200) AS latest)"
NAMES = "array_fill('{}'::text, ARRAY[200])"
BUCKETS = "(SELECT array_agg(n::smallint) FROM generate_series(0, 15) AS n)"
UNTIL = "'2999-01-01'::timestamptz"
LEASED = f"UPDATE outbox_leases SET leased_until = {UNTIL}"
PUBLISHED = "(SELECT array_agg(id) FROM outbox)"
ALL_IDS = ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")
NEW = (
    "(SELECT array_agg(uuidv7()) FROM generate_series(1, 10))",
    *(f"array_fill({value}, ARRAY[10])" for value in ("'topic-1'::text", "'key-1'::text", "3::smallint", "'{}'::text")),
)

STATEMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "publish": (outbox._INSERT, ("''", *NEW)),
    "relay: lease": (relay._READ_PENDING, ("NULL::bigint", "500", "4000000", "NULL::bigint")),
    "relay: delete": (relay._DELETE_PUBLISHED, (BUCKETS, UNTIL, PUBLISHED)),
    "inbox: record": (inbox._RECORD, (NAMES.format("new"), IDS, "array_fill(NULL::text, ARRAY[200])")),
    "inbox: rejections": (inbox._REJECTIONS, (NAMES.format("subscription-1"), IDS)),
    "inbox: subscriptions": (inbox._SUBSCRIPTIONS, ()),
    "log: after": (event_log._READ_AFTER, ("500", "200", "4000000")),
    "log: topics": (event_log._READ_TOPICS, ("500", "20", "4000000", "ARRAY['topic-3', 'nothing']")),
    "log: keys": (event_log._READ_KEYS, ("ARRAY['key-7', 'key-9']", "200")),
    "log: settled": (log_listing._SETTLED, ("60.0",)),
    "log: list": (log_listing._LIST, ("ARRAY['topic-3', 'nothing']", "ARRAY[500, 0]::bigint[]", "1000000", "200")),
    "log: begin": (log_listing._BEFORE, ("uuidv7(interval '-1 day')", "0")),
    "log: known": (log_listing._KNOWN, ("ARRAY[500, 700]::bigint[]", "ARRAY[uuidv7(), uuidv7()]")),
    "log: selection": (log_listing._READ_TOPICS, ("500", "20", "4000000", "ARRAY['topic-3']", "1000000", *ALL_IDS)),
    "inbox: gaps": (
        missing_events._GAPS,
        ("ARRAY['subscription-1', 'subscription-2']", "ARRAY['subscription-1', 'subscription-2']", IDS),
    ),
    "inbox: purge": (inbox._PURGE, ("'00000000-0000-0000-0000-000000000000'", "'subscription-1'", "uuidv7()")),
    "idempotency keys: purge": (idempotency._PURGE, ("'0001-01-01'",)),
}


class Cost(NamedTuple):
    plan: str
    buffers: int


async def cost(admin: "asyncpg.Connection[asyncpg.Record]", name: str) -> Cost:
    """Return a statement's generic plan and the pages that it reads; its effects are rolled back."""
    sql, values = STATEMENTS[name]
    transaction = admin.transaction()
    await transaction.start()
    if name == "relay: delete":
        await admin.execute(LEASED)
    arguments = [await admin.fetchval(f"SELECT quote_nullable({value}::text)") for value in values]
    await admin.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off")
    await admin.execute(f"PREPARE statement AS {sql}")
    execute = f"EXECUTE statement ({', '.join(arguments)})" if arguments else "EXECUTE statement"
    explained = await admin.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {execute}")
    await admin.execute("DEALLOCATE statement")
    await transaction.rollback()
    plan: dict[str, Any] = msgspec.json.decode(explained)[0]["Plan"]
    text = msgspec.json.format(msgspec.json.encode(plan), indent=1).decode()
    return Cost(text, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def fill(admin: "asyncpg.Connection[asyncpg.Record]", begin: int, end: int) -> None:
    """Add events from `begin` to `end` to log, inbox and idempotency keys, and make the last ones pending."""
    await admin.execute("DELETE FROM outbox")
    for sql in (LOG, INBOX, KEYS):
        await admin.execute(sql, begin, end)
    await admin.execute(PENDING_ROWS)
    await admin.execute("VACUUM ANALYZE event_log, inbox, idempotency_keys, outbox, outbox_leases")


@pytest.mark.chaos
async def test_statements_read_no_more_pages_with_a_million_events(database_url: DatabaseUrl) -> None:
    admin = await asyncpg.connect(await database_url(""))
    await fill(admin, 0, FEW)
    few = {name: await cost(admin, name) for name in STATEMENTS}
    await fill(admin, FEW, MANY)
    for name in STATEMENTS:
        many = await cost(admin, name)
        scanned = re.findall(r'"Node Type": "Seq Scan"[^}]*?"Relation Name": "(\w+)"', many.plan)
        assert {"event_log", "inbox", "idempotency_keys"}.isdisjoint(scanned), f"{name}: {many.plan}"
        assert many.buffers <= few[name].buffers * 2 + 20, f"{name}: {few[name].buffers}, {many.buffers}: {many.plan}"
    await admin.close()
