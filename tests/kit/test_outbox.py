"""What was committed is published, what was not is not, and the order of a key is never broken."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import new_id
from nextbuy.kit.events import relay as outbox_relay
from nextbuy.kit.events.bus.interface import Bus, BusMessage, Subscription
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.outbox import MAX_EVENT_BYTES, caused_by, publish
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Database
from tests.conftest import DatabaseUrl
from tests.kit.conftest import OwnRedis
from tests.kit.shop import Counted, LogFile, commit, count, numbers_by_key
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
UNPUBLISHED = "outbox"


@asynccontextmanager
async def relaying(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def arrived(bus: Bus, number: int) -> list[Envelope]:
    """All that is on the bus, once there is as much as expected."""
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


def told(envelopes: Sequence[Envelope]) -> list[tuple[str, int]]:
    return [(e.key, msgspec.json.decode(e.data, type=Counted).n) for e in envelopes]


async def test_an_event_carries_its_cause_and_its_trace(shop: Database, bus: RedisBus, log_file: LogFile) -> None:
    above = telemetry.start_span(request_id="request-1", sampled=True)
    cause = new_id()
    async with shop.transaction() as tx:
        with telemetry.use_span(above):
            ids = await publish(tx, Counted(about="a", n=1))
            with caused_by(cause):
                ids += await publish(tx, Counted(about="a", n=2))
    await Relay(shop, bus, log_file.journal).carry()
    first, second = await arrived(bus, 2)
    assert [first.id, second.id] == ids
    assert (first.type, first.source, first.key, first.schema_version) == ("test.counted", "", "a", 1)
    assert first.correlation_id == second.correlation_id == "request-1"
    assert (first.causation_id, second.causation_id) == ("request-1", str(cause))
    trace = telemetry.start_span(first.traceparent)
    assert (trace.trace_id, trace.sampled) == (above.trace_id, True)
    assert trace.parent_id != above.span_id
    line = log_file.lines("publish")[0]
    assert (line["callee"], line["name"]) == ("kafka", "test.counted")
    assert (line["trace_id"], line["span_id"], line["parent_id"]) == (above.trace_id, trace.parent_id, above.span_id)


async def test_what_is_rolled_back_is_not_published(shop: Database, bus: RedisBus, log_file: LogFile) -> None:
    async def refuse() -> None:
        async with shop.transaction() as tx:
            await publish(tx, Counted(about="a", n=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await refuse()
    await commit(shop, Counted(about="a", n=2))
    assert await Relay(shop, bus, log_file.journal).carry() == 1
    assert told(await arrived(bus, 1)) == [("a", 2)]


async def test_a_commit_wakes_the_relay_of_its_process(
    shop: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_relay, "POLL", 3600.0)
    async with relaying(Relay(shop, bus, log_file.journal)):
        await until(lambda: shop.after_publish.__name__ == "wake")
        for n in range(3):
            await commit(shop, Counted(about="a", n=n))
            await until(lambda: count_is(shop, UNPUBLISHED, 0))


async def test_rows_that_a_dead_process_left_are_found(shop: Database, bus: RedisBus, log_file: LogFile) -> None:
    async with relaying(Relay(shop, bus, log_file.journal)):
        await until(lambda: shop.after_publish.__name__ == "wake")
        shop.after_publish = lambda: None
        await commit(shop, Counted(about="a", n=1))
        await until(lambda: count_is(shop, UNPUBLISHED, 0))


async def test_what_is_published_leaves_the_outbox_and_stays_in_the_log(
    shop: Database, bus: RedisBus, log_file: LogFile
) -> None:
    await commit(shop, *[Counted(about="a", n=n) for n in range(10)])
    relay = Relay(shop, bus, log_file.journal)
    while await relay.carry() is not None:
        pass
    assert await count(shop, UNPUBLISHED) == 0
    rows = await shop.fetch("SELECT envelope FROM event_log ORDER BY id")
    assert told([msgspec.json.decode(row["envelope"], type=Envelope) for row in rows]) == [("a", n) for n in range(10)]


async def test_each_of_many_events_has_a_line_of_its_own(
    shop: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = log_file.journal.write

    def noting(lines: bytes) -> None:
        written.append(lines)
        write(lines)

    monkeypatch.setattr(log_file.journal, "write", noting)
    await commit(shop, *[Counted(about=f"a{n}", n=n) for n in range(50)])
    assert await Relay(shop, bus, log_file.journal).carry() == 50
    assert len({line["span_id"] for line in log_file.lines("publish")}) == 50
    # Whole lines in pieces that a pipe does not mix with those of another process.
    assert len(written) < 10
    assert all(len(lines) <= 4096 and lines.endswith(b"\n") for lines in written)


async def test_several_relays_lose_nothing_and_break_no_order(shop: Database, bus: RedisBus, log_file: LogFile) -> None:
    async def writer(about: str) -> None:
        for n in range(0, 60, 3):
            await commit(shop, *[Counted(about=about, n=n + more) for more in range(3)])

    keys = [f"key-{number}" for number in range(12)]
    async with relaying(*[Relay(shop, bus, log_file.journal, batch=7) for _ in range(3)]):
        await asyncio.gather(*[writer(key) for key in keys])
        await until(lambda: count_is(shop, UNPUBLISHED, 0))
    envelopes = await arrived(bus, 720)
    assert numbers_by_key(told(envelopes)) == {key: list(range(60)) for key in keys}
    assert len(envelopes) == 720


async def test_few_large_events_are_a_batch_as_many_small_ones_are(
    shop: Database, bus: RedisBus, log_file: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(shop, *[Counted(about=f"key-{n % 3}", n=n) for n in range(8)])
    size = await shop.fetchval("SELECT max(octet_length(envelope)) FROM event_log")
    relay = Relay(shop, bus, log_file.journal)
    monkeypatch.setattr(outbox_relay, "BYTES", 2 * size + 1)
    assert [await relay.carry() for _ in range(2)] == [3, 3]
    monkeypatch.setattr(outbox_relay, "BYTES", 1)
    assert [await relay.carry() for _ in range(3)] == [1, 1, None]
    assert [n for _, n in told(await arrived(bus, 8))] == [*range(8)]


async def test_an_event_that_a_bus_might_refuse_is_not_written(shop: Database) -> None:
    with pytest.raises(ValueError, match=r"of test\.counted has"):
        await commit(shop, Counted(about="a", n=0), Counted(about="x" * MAX_EVENT_BYTES, n=1))
    assert await count(shop, "event_log") == 0


async def test_a_relay_killed_before_it_took_its_events_off_has_its_events_published_again_in_order(
    shop: Database, bus: RedisBus, log_file: LogFile, database_url: DatabaseUrl, redis_url: str
) -> None:
    url = await database_url("")
    doomed = await Database.connect(url, "")
    await commit(doomed, *[Counted(about="a", n=n) for n in range(5)])
    assert await killed("relay", url, redis_url)
    assert await count(doomed, UNPUBLISHED) == 5
    await commit(doomed, *[Counted(about="a", n=n) for n in range(5, 8)])
    async with relaying(Relay(doomed, bus, log_file.journal)):
        await until(lambda: count_is(doomed, UNPUBLISHED, 0))
    envelopes = await arrived(bus, 13)
    assert [n for _, n in told(envelopes)] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7]
    assert [e.id for e in envelopes[:5]] == [e.id for e in envelopes[5:10]]
    await doomed.close()


async def test_a_relay_whose_lease_has_passed_takes_nothing_off(
    shop: Database, bus: RedisBus, log_file: LogFile, caplog: pytest.LogCaptureFixture
) -> None:
    class SlowBus(RedisBus):
        async def publish(self, packets: Sequence[BusMessage]) -> None:
            # While it is slow its lease passes, and another does its work and then some.
            await shop.execute("UPDATE outbox_leases SET until = clock_timestamp()")
            await commit(shop, Counted(about="a", n=2))
            assert await Relay(shop, bus, log_file.journal).carry() == 2
            await commit(shop, Counted(about="a", n=3))
            await super().publish(packets)

    await commit(shop, Counted(about="a", n=1))
    slow = SlowBus(bus._given)
    await Relay(shop, slow, log_file.journal).carry()
    await slow.close()
    assert "published twice" in caplog.text
    assert await count(shop, UNPUBLISHED) == 1
    await Relay(shop, bus, log_file.journal).carry()
    assert numbers_by_key(told(await arrived(bus, 4))) == {"a": [1, 2, 3]}


async def test_while_the_bus_is_away_events_wait_and_one_line_says_so(
    shop: Database, own_redis: OwnRedis, own_bus: RedisBus, log_file: LogFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nextbuy.kit.events.relay")
    async with relaying(Relay(shop, own_bus, log_file.journal)):
        own_redis.kill()
        await commit(shop, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: "wait in the outbox" in caplog.text)
        await commit(shop, *[Counted(about="a", n=n) for n in range(5, 9)])
        await until(lambda: count_is(shop, "outbox_leases WHERE token IS NOT NULL", 0))
        assert await count(shop, UNPUBLISHED) == 9
        own_redis.restart()
        await until(lambda: count_is(shop, UNPUBLISHED, 0))
        await until(lambda: "being published again" in caplog.text)
    assert numbers_by_key(told(await arrived(own_bus, 9))) == {"a": list(range(9))}
    assert caplog.text.count("wait in the outbox") == 1


async def test_a_relay_that_is_stopped_gives_its_buckets_back(shop: Database, bus: RedisBus, log_file: LogFile) -> None:
    published = asyncio.Event()

    class StuckBus(RedisBus):
        async def publish(self, packets: Sequence[BusMessage]) -> None:  # noqa: ARG002
            published.set()
            await asyncio.Event().wait()

    await commit(shop, Counted(about="a", n=1))
    stuck = StuckBus(bus._given)
    async with relaying(Relay(shop, stuck, log_file.journal)):
        await published.wait()
        assert await count(shop, "outbox_leases WHERE token IS NOT NULL") == 1
    await stuck.close()
    assert await count(shop, "outbox_leases WHERE token IS NOT NULL") == 0
    assert await Relay(shop, bus, log_file.journal).carry() == 1


async def count_is(database: Database, table: str, number: int) -> bool:
    return await count(database, table) == number


async def killed(role: str, database_url: str, redis_url: str) -> bool:
    """Run the victim, and say whether it was killed as it should be."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kit.victim", role, database_url, redis_url, cwd=ROOT
    )
    return await asyncio.wait_for(process.wait(), 20) == -signal.SIGKILL
