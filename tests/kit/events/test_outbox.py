"""Committed events are published in order per key; rolled back ones never are."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from nextbuy.contracts.message import Envelope
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events import relay
from nextbuy.kit.events.bus.interface import Bus, BusMessage, Subscription
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.event_log import read_keys
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.outbox import MAX_EVENT_BYTES, make_envelope, publish
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Database
from tests.conftest import DatabaseUrl
from tests.kit.conftest import OwnRedis
from tests.kit.events.sample import Counted, LogFile, by_key, commit, count, count_is, run_until_killed
from tests.waiting import until

UNPUBLISHED = "outbox"


@asynccontextmanager
async def relaying(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def arrived(bus: Bus, number: int) -> list[Envelope]:
    """Return the envelopes on the bus, once there are `number` of them."""
    subscription: Subscription = bus.subscribe("test", [Counted.topic])
    envelopes: list[Envelope] = []
    async with asyncio.timeout(15):
        async for batch in subscription.batches():
            envelopes += [msgspec.json.decode(d.body, type=Envelope) for d in batch.deliveries]
            await batch.acknowledge()
            if len(envelopes) >= number:
                break
    await subscription.close()
    return envelopes


def contents(envelopes: Sequence[Envelope]) -> list[tuple[str, int]]:
    return [(e.key, msgspec.json.decode(e.data, type=Counted).n) for e in envelopes]


async def test_event_has_the_time_of_its_row_if_there_is_one(publisher: Database) -> None:
    at = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
    before = utc_now()
    async with publisher.transaction() as tx:
        await publish(tx, Counted(about="a", n=1), at=at)
        await publish(tx, Counted(about="a", n=2))

    stored, now = await read_keys(publisher, ["a"], limit=2)

    assert stored.time == at
    assert before <= now.time <= utc_now()


async def test_published_event_carries_cause_and_trace(publisher: Database, bus: RedisBus, log_file: LogFile) -> None:
    parent = telemetry.start_span(request_id="request-1", sampled=True)
    before = Counted(about="a", n=0)
    cause = InboundEvent(before, make_envelope(before, "other", parent), b"", 1)
    async with publisher.transaction() as tx:
        with telemetry.use_span(parent):
            ids = await publish(tx, Counted(about="a", n=1))
            ids += await publish(tx, Counted(about="a", n=2), cause=cause)
    await Relay(publisher, bus, log_file.journal).publish_batch()
    first, second = await arrived(bus, 2)
    assert [first.id, second.id] == ids
    assert (first.type, first.source, first.key, first.schema_version) == ("test.counted", "", "a", 1)
    assert first.correlation_id == second.correlation_id == "request-1"
    assert (first.causation_id, second.causation_id) == ("request-1", str(cause.id))
    trace = telemetry.start_span(first.traceparent)
    assert (trace.trace_id, trace.sampled) == (parent.trace_id, True)
    assert trace.parent_id != parent.span_id
    line = log_file.lines("publish")[0]
    assert (line["callee"], line["name"]) == ("kafka", "test.counted")
    assert (line["trace_id"], line["span_id"], line["parent_id"]) == (parent.trace_id, trace.parent_id, parent.span_id)


async def test_event_of_rolled_back_transaction_is_not_published(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    async def refuse() -> None:
        async with publisher.transaction() as tx:
            await publish(tx, Counted(about="a", n=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await refuse()
    await commit(publisher, Counted(about="a", n=2))
    assert await Relay(publisher, bus, log_file.journal).publish_batch() == 1
    assert contents(await arrived(bus, 1)) == [("a", 2)]


async def test_commit_wakes_the_relay_of_its_process(
    publisher: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "POLL_INTERVAL", 3600.0)
    async with relaying(Relay(publisher, bus, log_file.journal)):
        await until(lambda: publisher.after_publish.__name__ == "wake")
        for n in range(3):
            await commit(publisher, Counted(about="a", n=n))
            await until(lambda: count_is(publisher, UNPUBLISHED, 0))


async def test_rows_of_another_process_are_found_by_polling(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    async with relaying(Relay(publisher, bus, log_file.journal)):
        await until(lambda: publisher.after_publish.__name__ == "wake")
        publisher.after_publish = lambda: None
        await commit(publisher, Counted(about="a", n=1))
        await until(lambda: count_is(publisher, UNPUBLISHED, 0))


async def test_published_event_leaves_the_outbox_and_stays_in_the_log(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    await commit(publisher, *[Counted(about="a", n=n) for n in range(10)])
    one = Relay(publisher, bus, log_file.journal)
    while await one.publish_batch() is not None:
        pass
    assert await count(publisher, UNPUBLISHED) == 0
    rows = await publisher.fetch("SELECT envelope FROM event_log ORDER BY id")
    assert contents([msgspec.json.decode(row["envelope"], type=Envelope) for row in rows]) == [
        ("a", n) for n in range(10)
    ]


async def test_each_event_of_a_batch_has_its_own_log_line(
    publisher: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = log_file.journal.write

    def recording(lines: bytes) -> None:
        written.append(lines)
        write(lines)

    monkeypatch.setattr(log_file.journal, "write", recording)
    await commit(publisher, *[Counted(about=f"a{n}", n=n) for n in range(50)])
    assert await Relay(publisher, bus, log_file.journal).publish_batch() == 50
    assert len({line["span_id"] for line in log_file.lines("publish")}) == 50
    # Pieces of whole lines up to this size are written atomically to a pipe.
    assert len(written) < 10
    assert all(len(lines) <= 4096 and lines.endswith(b"\n") for lines in written)


async def test_concurrent_relays_publish_each_event_once_in_order(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    async def writer(about: str) -> None:
        for n in range(0, 60, 3):
            await commit(publisher, *[Counted(about=about, n=n + more) for more in range(3)])

    keys = [f"key-{number}" for number in range(12)]
    async with relaying(*[Relay(publisher, bus, log_file.journal, batch_size=7) for _ in range(3)]):
        await asyncio.gather(*[writer(key) for key in keys])
        await until(lambda: count_is(publisher, UNPUBLISHED, 0))
    envelopes = await arrived(bus, 720)
    assert by_key(contents(envelopes)) == {key: list(range(60)) for key in keys}
    assert len(envelopes) == 720


async def test_relay_batch_ends_at_the_byte_limit(
    publisher: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(publisher, *[Counted(about=f"key-{n % 3}", n=n) for n in range(8)])
    size = await publisher.fetchval("SELECT max(octet_length(envelope)) FROM event_log")
    one = Relay(publisher, bus, log_file.journal)
    monkeypatch.setattr(relay, "MAX_BATCH_BYTES", 2 * size + 1)
    assert [await one.publish_batch() for _ in range(2)] == [3, 3]
    monkeypatch.setattr(relay, "MAX_BATCH_BYTES", 1)
    assert [await one.publish_batch() for _ in range(3)] == [1, 1, None]
    assert [n for _, n in contents(await arrived(bus, 8))] == [*range(8)]


async def test_relay_leases_no_bucket_without_events(publisher: Database, bus: RedisBus, log_file: LogFile) -> None:
    assert await Relay(publisher, bus, log_file.journal).publish_batch() is None

    assert await count(publisher, "outbox_leases WHERE leased_until > '-infinity'") == 0


async def test_oversized_event_is_refused_before_it_is_stored(publisher: Database) -> None:
    with pytest.raises(ValueError, match=r"test\.counted event too large"):
        await commit(publisher, Counted(about="a", n=0), Counted(about="x" * MAX_EVENT_BYTES, n=1))
    assert await count(publisher, "event_log") == 0


async def test_events_of_relay_killed_before_its_delete_are_published_again_in_order(
    publisher: Database, bus: RedisBus, log_file: LogFile, database_url: DatabaseUrl, redis_url: str
) -> None:
    url = await database_url("")
    database = await Database.connect(url, "")
    await commit(database, *[Counted(about="a", n=n) for n in range(5)])
    assert await run_until_killed("relay", url, redis_url)
    assert await count(database, UNPUBLISHED) == 5
    await commit(database, *[Counted(about="a", n=n) for n in range(5, 8)])
    async with relaying(Relay(database, bus, log_file.journal)):
        await until(lambda: count_is(database, UNPUBLISHED, 0))
    envelopes = await arrived(bus, 13)
    assert [n for _, n in contents(envelopes)] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7]
    assert [e.id for e in envelopes[:5]] == [e.id for e in envelopes[5:10]]
    await database.close()


async def test_relay_with_expired_lease_deletes_nothing(
    publisher: Database, bus: RedisBus, log_file: LogFile, caplog: pytest.LogCaptureFixture
) -> None:
    class SlowBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:
            # Its lease expires meanwhile, and another relay publishes the same event and a later one.
            await publisher.execute("UPDATE outbox_leases SET leased_until = clock_timestamp()")
            await commit(publisher, Counted(about="a", n=2))
            assert await Relay(publisher, bus, log_file.journal).publish_batch() == 2
            await commit(publisher, Counted(about="a", n=3))
            await super().publish(messages)

    await commit(publisher, Counted(about="a", n=1))
    slow = SlowBus(bus._shared_client)
    await Relay(publisher, slow, log_file.journal).publish_batch()
    await slow.close()
    assert "published twice" in caplog.text
    assert await count(publisher, UNPUBLISHED) == 1
    await Relay(publisher, bus, log_file.journal).publish_batch()
    assert by_key(contents(await arrived(bus, 4))) == {"a": [1, 2, 3]}


async def test_relay_that_lost_its_lease_leaves_outbox_and_lease_to_the_holder(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    class SlowBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:
            await publisher.execute("UPDATE outbox_leases SET leased_until = now() + interval '1 hour'")
            await super().publish(messages)

    await commit(publisher, Counted(about="a", n=1))
    slow = SlowBus(bus._shared_client)
    await Relay(publisher, slow, log_file.journal).publish_batch()
    await slow.close()

    assert await count(publisher, UNPUBLISHED) == 1
    assert await count(publisher, "outbox_leases WHERE leased_until <= now()") == 0


async def test_outage_of_the_bus_is_logged_once_and_events_wait(
    publisher: Database,
    own_redis: OwnRedis,
    own_bus: RedisBus,
    log_file: LogFile,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, logger="nextbuy.kit.events.relay")
    attempts: list[int] = []
    publish = own_bus.publish

    async def count_attempts(messages: Sequence[BusMessage]) -> None:
        attempts.append(len(messages))
        await publish(messages)

    monkeypatch.setattr(own_bus, "publish", count_attempts)
    async with relaying(Relay(publisher, own_bus, log_file.journal)):
        own_redis.kill()
        await commit(publisher, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: "stay in the outbox" in caplog.text)
        await commit(publisher, *[Counted(about="a", n=n) for n in range(5, 9)])
        await until(lambda: len(attempts) >= 3)
        await until(lambda: count_is(publisher, "outbox_leases WHERE leased_until > now()", 0))
        assert await count(publisher, UNPUBLISHED) == 9
        own_redis.restart()
        await until(lambda: count_is(publisher, UNPUBLISHED, 0))
        await until(lambda: "publishing resumed" in caplog.text)
    assert by_key(contents(await arrived(own_bus, 9))) == {"a": list(range(9))}
    assert caplog.text.count("stay in the outbox") == 1
    lines = log_file.lines("publish")
    failed = [line["ids"]["event"][0] for line in lines if line["outcome"] == "bus-unavailable" and line["reason"]]
    published = [line["ids"]["event"][0] for line in lines if line["outcome"] == "ok"]
    # Only what waited at the start of the outage is logged as failed, and only once.
    assert 1 <= len(failed) == len(set(failed)) <= 5
    assert len(published) == len(set(published)) == 9
    assert set(failed) < set(published)


async def test_stopped_relay_releases_its_buckets(publisher: Database, bus: RedisBus, log_file: LogFile) -> None:
    published = asyncio.Event()

    class StuckBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:  # noqa: ARG002
            published.set()
            await asyncio.Event().wait()

    await commit(publisher, Counted(about="a", n=1))
    stuck = StuckBus(bus._shared_client)
    async with relaying(Relay(publisher, stuck, log_file.journal)):
        await published.wait()
        assert await count(publisher, "outbox_leases WHERE leased_until > now()") == 1
    await stuck.close()
    assert await count(publisher, "outbox_leases WHERE leased_until > now()") == 0
    assert await Relay(publisher, bus, log_file.journal).publish_batch() == 1
