"""The conformance suite of buses: each test runs on Redis Streams and on Apache Kafka.

Unless a test varies the key, all events of a topic have the same one, because order is promised per key only and Kafka
spreads keys over partitions.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import psutil
import pytest

from nextbuy.kit.events import relay
from nextbuy.kit.events.bus import kafka, kafka_connection, kafka_subscription, redis_connection, redis_subscription
from nextbuy.kit.events.bus.interface import MAX_BATCH_BYTES, Batch, Bus, BusMessage, BusUnavailable, Subscription
from nextbuy.kit.events.bus.kafka_subscription import KafkaSubscription
from tests.waiting import until


class Engine(Protocol):
    """The engine of a bus, which a test may kill or freeze."""

    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


@dataclass(frozen=True)
class BusWithEngine:
    """A bus and its own engine."""

    bus: Bus
    engine: Engine
    restarts_slowly: bool

    async def restart_engine(self) -> None:
        """Restart the engine without blocking the event loop for seconds."""
        if self.restarts_slowly:
            await asyncio.to_thread(self.engine.restart)
        else:
            self.engine.restart()


RECOVERY_TIMEOUT = 60.0
"""Seconds. After a kill, Kafka waits for the sessions of a group's previous members to expire."""

# A Kafka may have to be started first.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=[("own_bus", "own_redis"), ("own_kafka_bus", "own_kafka")], ids=["redis", "kafka"])
def own(request: pytest.FixtureRequest) -> BusWithEngine:
    """Each bus in turn, on its own engine."""
    bus, engine = request.param
    return BusWithEngine(request.getfixturevalue(bus), request.getfixturevalue(engine), engine == "own_kafka")


def one_key(_: int) -> str:
    return "one"


def messages(topic: str, numbers: range, key: Callable[[int], str] = one_key) -> list[BusMessage]:
    return [BusMessage(topic, key(n), b"%d" % n, n + 1) for n in numbers]


def numbers(batch: Batch) -> list[int]:
    return [int(delivery.body) for delivery in batch.deliveries]


async def publish_until_stored(bus: Bus, messages: Sequence[BusMessage]) -> None:
    """Publish like a relay: retry until the messages are stored."""
    async with asyncio.timeout(RECOVERY_TIMEOUT):
        while True:
            try:
                await bus.publish(messages)
            except BusUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


class Reader:
    """A consumer that records and acknowledges every batch."""

    def __init__(self, subscription: Subscription, got: list[tuple[str, int]] | None = None) -> None:
        self.subscription = subscription
        self.got: list[tuple[str, int]] = [] if got is None else got
        self.sizes: list[int] = []
        self.in_progress = asyncio.Lock()

    async def run(self) -> None:
        async for batch in self.subscription.batches():
            async with self.in_progress:
                self.got += [(batch.topic, n) for n in numbers(batch)]
                self.sizes.append(len(batch.deliveries))
                with suppress(BusUnavailable):
                    await batch.acknowledge()

    def of(self, topic: str) -> list[int]:
        return [n for name, n in self.got if name == topic]


@asynccontextmanager
async def reading(
    bus: Bus, group: str, *topics: str, batch_size: int = 200, got: list[tuple[str, int]] | None = None
) -> AsyncIterator[Reader]:
    one = Reader(bus.subscribe(group, topics, batch_size=batch_size), got)
    task = asyncio.create_task(one.run())
    yield one
    async with one.in_progress:
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await one.subscription.close()


def prefetch_has_stopped(subscription: Subscription) -> bool:
    """Return whether a subscription whose batch is held will fetch no further messages; Redis fetches none ahead."""
    return not isinstance(subscription, KafkaSubscription) or any(
        state.paused for state in subscription._partitions.values()
    )


async def first_batch(subscription: Subscription) -> Batch:
    async with asyncio.timeout(15):
        return await anext(aiter(subscription.batches()))


async def test_events_of_a_topic_arrive_in_order_of_publishing(any_bus: Bus) -> None:
    async with reading(any_bus, "g", "t", batch_size=7) as reader:
        for start in range(0, 100, 10):
            await any_bus.publish(messages("t", range(start, start + 10)))
        await until(lambda: len(reader.got) >= 100)
    assert reader.of("t") == list(range(100))
    assert max(reader.sizes) <= 7


async def test_late_group_reads_topic_from_its_beginning(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(50)))
    async with reading(any_bus, "early", "t") as early:
        await until(lambda: len(early.got) == 50)
        async with reading(any_bus, "late", "t") as late:
            await until(lambda: len(late.got) == 50)
    assert early.of("t") == late.of("t") == list(range(50))


async def test_unacknowledged_events_come_again_before_new_ones(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(10)))
    subscription = any_bus.subscribe("g", ["t"])
    batches = aiter(subscription.batches())
    async with asyncio.timeout(15):
        batch = await anext(batches)
        assert numbers(batch) == list(range(10))
        await any_bus.publish(messages("t", range(10, 12)))
        await batch.acknowledge(4)
        batch = await anext(batches)
        assert numbers(batch) == list(range(4, 10))
        await batch.acknowledge(0)
        batch = await anext(batches)
        assert numbers(batch) == list(range(4, 10))
        await batch.acknowledge()
        new = numbers(await anext(batches))
        assert new == [10, 11][: len(new)]
    await subscription.close()


async def test_topic_with_unacknowledged_batch_yields_no_second_batch(any_bus: Bus) -> None:
    subscription = any_bus.subscribe("g", ["slow", "quick"], batch_size=10)
    batches = aiter(subscription.batches())
    async with asyncio.timeout(15):
        await any_bus.publish(messages("slow", range(100)))
        held = await anext(batches)
        await any_bus.publish([*messages("slow", range(100, 110)), *messages("quick", range(30))])

        quick: list[int] = []
        while len(quick) < 30:
            batch = await anext(batches)
            assert batch.topic == "quick"
            quick += numbers(batch)
            await batch.acknowledge()

        await held.acknowledge()
        following = await anext(batches)
    assert (held.topic, following.topic) == ("slow", "slow")
    assert numbers(held) == list(range(len(held.deliveries)))
    assert numbers(following)[0] == len(held.deliveries)
    await subscription.close()


async def test_two_consumers_of_a_group_share_all_events(any_bus: Bus) -> None:
    topics = ["a", "b", "c"]
    async with (
        reading(any_bus, "g", *topics, batch_size=5) as one,
        reading(any_bus, "g", *topics, batch_size=5) as other,
    ):
        for start in range(0, 60, 20):
            for topic in topics:
                await any_bus.publish(messages(topic, range(start, start + 20)))
        await until(lambda: len(one.got) + len(other.got) >= 180)
    for topic in topics:
        parts = one.of(topic), other.of(topic)
        assert all(part == sorted(part) for part in parts)
        assert sorted([*parts[0], *parts[1]]) == list(range(60))


async def test_acknowledged_events_do_not_reach_the_next_consumer(any_bus: Bus) -> None:
    for start in range(0, 30, 10):
        await any_bus.publish(messages("t", range(start, start + 10), key=str))
        async with reading(any_bus, "g", "t") as reader:
            await until(lambda: len(reader.got) >= 10)
        assert sorted(reader.of("t")) == list(range(start, start + 10))


async def test_consumers_joining_and_leaving_repeat_and_reorder_nothing(any_bus: Bus) -> None:
    keys, total = 20, 600

    def of_key(n: int) -> str:
        return f"key {n % keys}"

    got: list[tuple[str, int]] = []
    async with reading(any_bus, "g", "t", batch_size=7, got=got):
        await any_bus.publish(messages("t", range(200), key=of_key))
        await until(lambda: len(got) >= 50)
        async with reading(any_bus, "g", "t", batch_size=7, got=got):
            await any_bus.publish(messages("t", range(200, 400), key=of_key))
            await until(lambda: len(got) >= 300)
        await any_bus.publish(messages("t", range(400, total), key=of_key))
        await until(lambda: len({n for _, n in got}) == total)
    done = [n for _, n in got]
    assert len(done) == total
    for key in range(keys):
        assert [n for n in done if n % keys == key] == list(range(key, total, keys))


async def test_slow_consumer_prefetches_a_bounded_number_of_bytes(any_bus: Bus) -> None:
    total, size = 4_000, 20_000
    body = os.urandom(size)
    subscription = any_bus.subscribe("g", ["t"], batch_size=20)
    batches = aiter(subscription.batches())
    got: list[int] = []
    async with asyncio.timeout(60):
        await any_bus.publish([BusMessage("t", "one", b"%08d" % 0 + body, 1)])
        batch = await anext(batches)
        before = psutil.Process().memory_info().rss
        for start in range(1, total, 100):
            end = min(start + 100, total)
            await any_bus.publish([BusMessage("t", "one", b"%08d" % n + body, n + 1) for n in range(start, end)])
        await until(lambda: prefetch_has_stopped(subscription))
        assert psutil.Process().memory_info().rss - before < total * size * 0.6
        while True:
            got += [int(delivery.body[:8]) for delivery in batch.deliveries]
            await batch.acknowledge()
            if len(got) >= total:
                break
            batch = await anext(batches)
    await subscription.close()
    assert got == list(range(total))


async def test_batch_of_large_events_ends_at_the_byte_limit(any_bus: Bus) -> None:
    rest = b"x" * (MAX_BATCH_BYTES // 4)
    for n in range(12):
        await any_bus.publish([BusMessage("t", "one", b"%08d" % n + rest, n + 1)])
    subscription = any_bus.subscribe("g", ["t"], batch_size=500)
    got: list[int] = []
    async with asyncio.timeout(60):
        async for batch in subscription.batches():
            assert len(batch.deliveries) <= 4
            got += [int(delivery.body[:8]) for delivery in batch.deliveries]
            await batch.acknowledge()
            if len(got) >= 12:
                break
    await subscription.close()
    assert got == [*range(12)]


async def test_closed_subscription_hands_over_before_its_lease_would_expire(
    any_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_subscription, "LEASE", 60.0)
    monkeypatch.setitem(kafka_subscription._SETTINGS, "session.timeout.ms", 60_000)
    async with reading(any_bus, "g", "t") as first:
        await any_bus.publish(messages("t", range(3)))
        await until(lambda: len(first.got) == 3)
        async with reading(any_bus, "g", "t") as second:
            await first.subscription.close()
            await any_bus.publish(messages("t", range(3, 6)))
            await until(lambda: {3, 4, 5} <= set(second.of("t")), timeout=30.0)
    assert second.of("t")[-3:] == [3, 4, 5]


async def test_unacknowledged_batch_of_closed_consumer_goes_to_its_successor_first(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(10)))
    dead = any_bus.subscribe("g", ["t"], batch_size=4)
    assert numbers(await first_batch(dead)) == [0, 1, 2, 3]
    await dead.close()
    async with reading(any_bus, "g", "t") as successor:
        await until(lambda: len(successor.got) >= 10)
    assert successor.of("t") == list(range(10))


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 7_000_000, "snö ☃ 💶".encode()], ids=len)
async def test_body_and_key_of_any_bytes_arrive_unchanged(any_bus: Bus, body: bytes) -> None:
    await any_bus.publish([BusMessage("odd", "ключ 🔑 \n", body, 1)])
    subscription = any_bus.subscribe("g", ["odd"])
    batch = await first_batch(subscription)
    assert [delivery.body for delivery in batch.deliveries] == [body]
    await subscription.close()


async def test_event_on_idle_bus_arrives_without_waiting_for_a_poll(
    any_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = 5.0
    monkeypatch.setattr(redis_subscription, "POLL_INTERVAL", polls)
    monkeypatch.setattr(redis_subscription, "LEASE", 20 * polls)
    monkeypatch.setattr(kafka_subscription, "_POLL_TIMEOUT", polls)
    async with reading(any_bus, "g", "t") as reader:
        await any_bus.publish(messages("t", range(1)))
        await until(lambda: len(reader.got) == 1)
        async with asyncio.timeout(10 * polls):
            for n in range(1, 21):
                await any_bus.publish(messages("t", range(n, n + 1)))
                await until(lambda n=n: len(reader.got) == n + 1)  # type: ignore[misc]


def test_buses_time_out_before_the_relay_does() -> None:
    assert redis_connection.TIMEOUT < relay._PUBLISH_TIMEOUT
    assert kafka._TOPICS_TIMEOUT + kafka_connection.TIMEOUT < relay._PUBLISH_TIMEOUT


async def test_publishing_to_killed_engine_fails_and_resumes_after_restart(own: BusWithEngine) -> None:
    async with reading(own.bus, "g", "t") as reader:
        await publish_until_stored(own.bus, messages("t", range(5)))
        await until(lambda: set(reader.of("t")) == set(range(5)), timeout=RECOVERY_TIMEOUT)
        own.engine.kill()
        with pytest.raises(BusUnavailable):
            await own.bus.publish(messages("t", range(5, 6)))
        await own.restart_engine()
        await publish_until_stored(own.bus, messages("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)), timeout=RECOVERY_TIMEOUT)
    assert list(dict.fromkeys(reader.of("t"))) == list(range(10))


async def test_publishing_to_frozen_engine_times_out_and_resumes(own: BusWithEngine) -> None:
    async with reading(own.bus, "g", "t") as reader:
        await publish_until_stored(own.bus, messages("t", range(5)))
        await until(lambda: set(reader.of("t")) == set(range(5)), timeout=RECOVERY_TIMEOUT)
        own.engine.freeze()
        try:
            async with asyncio.timeout(30):
                with pytest.raises(BusUnavailable):
                    await own.bus.publish(messages("t", range(5, 6)))
        finally:
            own.engine.thaw()
        await publish_until_stored(own.bus, messages("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)), timeout=RECOVERY_TIMEOUT)


async def test_engine_killed_during_traffic_loses_and_reorders_nothing(own: BusWithEngine) -> None:
    keys, total = 5, 600

    async def publish_all() -> None:
        for start in range(0, total, 20):
            await publish_until_stored(own.bus, messages("t", range(start, start + 20), key=lambda n: str(n % keys)))
            await asyncio.sleep(0.005)

    async with reading(own.bus, "g", "t", batch_size=11) as reader:
        publishing = asyncio.create_task(publish_all())
        await until(lambda: len(reader.got) >= 100, timeout=RECOVERY_TIMEOUT)
        own.engine.kill()
        await own.restart_engine()
        await until(lambda: set(reader.of("t")) == set(range(total)), timeout=RECOVERY_TIMEOUT)
        await publishing
    first_seen = list(dict.fromkeys(reader.of("t")))
    for key in range(keys):
        assert [n for n in first_seen if n % keys == key] == list(range(key, total, keys))
