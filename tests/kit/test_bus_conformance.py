"""What every bus must do; each test runs on each of them.

A test that does not say otherwise gives all events of a topic one key: order is kept per key, and on one of the buses
a topic's keys go several ways.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import psutil
import pytest

from nextbuy.kit.events.bus.interface import MAX_BATCH_BYTES, Batch, Bus, BusMessage, BusUnavailable, Subscription
from tests.waiting import until


class Engine(Protocol):
    """What carries a bus, and can be hurt."""

    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


@dataclass(frozen=True)
class Mortal:
    """A bus whose engine can be hurt."""

    bus: Bus
    engine: Engine
    restarts_slowly: bool

    async def restart_engine(self) -> None:
        """Start it again; what takes seconds must not hold up what goes on meanwhile."""
        if self.restarts_slowly:
            await asyncio.to_thread(self.engine.restart)
        else:
            self.engine.restart()


BACK_WITHIN = 60.0
"""Seconds; a Kafka that was killed keeps a group waiting for the session of its members before."""

# A Kafka may have to be started first, or be in another test's hands.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=[("own_bus", "own_redis"), ("own_kafka_bus", "own_kafka")], ids=["redis", "kafka"])
def mortal(request: pytest.FixtureRequest) -> Mortal:
    """Each bus in turn, on an engine of its own."""
    bus, engine = request.param
    return Mortal(request.getfixturevalue(bus), request.getfixturevalue(engine), engine == "own_kafka")


def one_key(_: int) -> str:
    return "one"


def packets(topic: str, numbers: range, key: Callable[[int], str] = one_key) -> list[BusMessage]:
    return [BusMessage(topic, key(n), b"%d" % n) for n in numbers]


def numbers(batch: Batch) -> list[int]:
    return [int(delivery.body) for delivery in batch.deliveries]


async def publish_surely(bus: Bus, packets: Sequence[BusMessage]) -> None:
    """Publish as a relay does: what failed again, before what is behind it."""
    async with asyncio.timeout(BACK_WITHIN):
        while True:
            try:
                await bus.publish(packets)
            except BusUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


class Reading:
    """A consumer that acknowledges what it gets, and remembers it."""

    def __init__(self, subscription: Subscription, got: list[tuple[str, int]] | None = None) -> None:
        self.subscription = subscription
        self.got: list[tuple[str, int]] = [] if got is None else got
        self.sizes: list[int] = []
        self.in_hand = asyncio.Lock()

    async def run(self) -> None:
        async for batch in self.subscription.batches():
            async with self.in_hand:
                self.got += [(batch.topic, n) for n in numbers(batch)]
                self.sizes.append(len(batch.deliveries))
                with suppress(BusUnavailable):
                    await batch.acknowledge()

    def of(self, topic: str) -> list[int]:
        return [n for name, n in self.got if name == topic]


@asynccontextmanager
async def reading(
    bus: Bus, group: str, *topics: str, most: int = 200, got: list[tuple[str, int]] | None = None
) -> AsyncIterator[Reading]:
    one = Reading(bus.subscribe(group, topics, most=most), got)
    task = asyncio.create_task(one.run())
    yield one
    async with one.in_hand:
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await one.subscription.close()


async def first_batch(subscription: Subscription) -> Batch:
    async with asyncio.timeout(15):
        return await anext(aiter(subscription.batches()))


async def test_events_of_a_topic_arrive_in_the_order_they_were_published(any_bus: Bus) -> None:
    async with reading(any_bus, "g", "t", most=7) as reader:
        for start in range(0, 100, 10):
            await any_bus.publish(packets("t", range(start, start + 10)))
        await until(lambda: len(reader.got) >= 100)
    assert reader.of("t") == list(range(100))
    assert max(reader.sizes) <= 7


async def test_every_group_gets_everything_from_the_beginning_however_late_it_comes(any_bus: Bus) -> None:
    await any_bus.publish(packets("t", range(50)))
    async with reading(any_bus, "early", "t") as early:
        await until(lambda: len(early.got) == 50)
        async with reading(any_bus, "late", "t") as late:
            await until(lambda: len(late.got) == 50)
    assert early.of("t") == late.of("t") == list(range(50))


async def test_what_is_not_acknowledged_comes_again_before_what_is_new(any_bus: Bus) -> None:
    await any_bus.publish(packets("t", range(10)))
    subscription = any_bus.subscribe("g", ["t"])
    batches = aiter(subscription.batches())
    async with asyncio.timeout(15):
        batch = await anext(batches)
        assert numbers(batch) == list(range(10))
        await any_bus.publish(packets("t", range(10, 12)))
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


async def test_a_slow_consumer_is_given_no_more_of_a_topic_before_it_is_done(any_bus: Bus) -> None:
    await any_bus.publish([*packets("slow", range(100)), *packets("quick", range(30))])
    subscription = any_bus.subscribe("g", ["slow", "quick"], most=10)
    batches = aiter(subscription.batches())
    held: list[Batch] = []
    quick: list[int] = []
    async with asyncio.timeout(15):
        while len(quick) < 30:
            batch = await anext(batches)
            if batch.topic == "slow":
                held.append(batch)
            else:
                quick += numbers(batch)
                await batch.acknowledge()
    assert [numbers(batch) for batch in held] == [list(range(10))]
    await subscription.close()


async def test_two_consumers_of_a_group_do_nothing_twice_and_lose_nothing(any_bus: Bus) -> None:
    topics = ["a", "b", "c"]
    async with reading(any_bus, "g", *topics, most=5) as one, reading(any_bus, "g", *topics, most=5) as other:
        for start in range(0, 60, 20):
            for topic in topics:
                await any_bus.publish(packets(topic, range(start, start + 20)))
        await until(lambda: len(one.got) + len(other.got) >= 180)
    for topic in topics:
        parts = one.of(topic), other.of(topic)
        assert all(part == sorted(part) for part in parts)
        assert sorted([*parts[0], *parts[1]]) == list(range(60))


async def test_what_was_acknowledged_does_not_come_again_to_the_next_of_the_group(any_bus: Bus) -> None:
    for start in range(0, 30, 10):
        await any_bus.publish(packets("t", range(start, start + 10), key=str))
        async with reading(any_bus, "g", "t") as reader:
            await until(lambda: len(reader.got) >= 10)
        assert sorted(reader.of("t")) == list(range(start, start + 10))


async def test_while_consumers_come_and_go_nothing_is_done_twice_or_out_of_order(any_bus: Bus) -> None:
    keys, total = 20, 600

    def of_key(n: int) -> str:
        return f"key {n % keys}"

    got: list[tuple[str, int]] = []
    async with reading(any_bus, "g", "t", most=7, got=got):
        await any_bus.publish(packets("t", range(200), key=of_key))
        await until(lambda: len(got) >= 50)
        async with reading(any_bus, "g", "t", most=7, got=got):
            await any_bus.publish(packets("t", range(200, 400), key=of_key))
            await until(lambda: len(got) >= 300)
        await any_bus.publish(packets("t", range(400, total), key=of_key))
        await until(lambda: len({n for _, n in got}) == total)
    done = [n for _, n in got]
    assert len(done) == total
    for key in range(keys):
        assert [n for n in done if n % keys == key] == list(range(key, total, keys))


async def test_a_slow_consumer_bounds_memory_and_gets_everything_in_the_end(any_bus: Bus) -> None:
    total, size = 4_000, 20_000
    body = os.urandom(size)
    subscription = any_bus.subscribe("g", ["t"], most=20)
    batches = aiter(subscription.batches())
    got: list[int] = []
    async with asyncio.timeout(60):
        await any_bus.publish([BusMessage("t", "one", b"%08d" % 0 + body)])
        held = await anext(batches)
        before = psutil.Process().memory_info().rss
        for start in range(1, total, 100):
            end = min(start + 100, total)
            await any_bus.publish([BusMessage("t", "one", b"%08d" % n + body) for n in range(start, end)])
        await asyncio.sleep(0.5)
        assert psutil.Process().memory_info().rss - before < total * size * 0.6
        while True:
            got += [int(delivery.body[:8]) for delivery in held.deliveries]
            await held.acknowledge()
            if len(got) >= total:
                break
            held = await anext(batches)
    await subscription.close()
    assert got == list(range(total))


async def test_a_batch_of_large_events_ends_early_and_the_others_follow(any_bus: Bus) -> None:
    rest = b"x" * (MAX_BATCH_BYTES // 4)
    for n in range(12):
        await any_bus.publish([BusMessage("t", "one", b"%08d" % n + rest)])
    subscription = any_bus.subscribe("g", ["t"], most=500)
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


async def test_a_consumer_that_leaves_hands_over_at_once(any_bus: Bus) -> None:
    async with reading(any_bus, "g", "t") as first:
        await any_bus.publish(packets("t", range(3)))
        await until(lambda: len(first.got) == 3)
        async with reading(any_bus, "g", "t") as second:
            await first.subscription.close()
            left_at = time.monotonic()
            await any_bus.publish(packets("t", range(3, 6)))
            await until(lambda: {3, 4, 5} <= set(second.of("t")))
            assert time.monotonic() - left_at < 4.5
    assert second.of("t")[-3:] == [3, 4, 5]


async def test_what_a_dead_consumer_had_in_hand_goes_to_its_successor_first(any_bus: Bus) -> None:
    await any_bus.publish(packets("t", range(10)))
    dead = any_bus.subscribe("g", ["t"], most=4)
    assert numbers(await first_batch(dead)) == [0, 1, 2, 3]
    await dead.close()
    async with reading(any_bus, "g", "t") as successor:
        await until(lambda: len(successor.got) >= 10)
    assert successor.of("t") == list(range(10))


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 7_000_000, "snö ☃ 💶".encode()], ids=len)
async def test_bytes_of_any_kind_and_size_arrive_as_they_were(any_bus: Bus, body: bytes) -> None:
    await any_bus.publish([BusMessage("odd", "ключ 🔑 \n", body)])
    subscription = any_bus.subscribe("g", ["odd"])
    batch = await first_batch(subscription)
    assert [delivery.body for delivery in batch.deliveries] == [body]
    await subscription.close()


async def test_an_event_arrives_at_once_where_nothing_else_happens(any_bus: Bus) -> None:
    async with reading(any_bus, "g", "t") as reader:
        await any_bus.publish(packets("t", range(1)))
        await until(lambda: len(reader.got) == 1)
        waits: list[float] = []
        for n in range(1, 21):
            began = time.monotonic()
            await any_bus.publish(packets("t", range(n, n + 1)))
            await until(lambda n=n: len(reader.got) == n + 1)  # type: ignore[misc]
            waits.append(time.monotonic() - began)
    assert sorted(waits)[10] < 0.25


async def test_while_the_engine_is_dead_publishing_fails_and_afterwards_all_goes_on(mortal: Mortal) -> None:
    async with reading(mortal.bus, "g", "t") as reader:
        await publish_surely(mortal.bus, packets("t", range(5)))
        await until(lambda: set(reader.of("t")) == set(range(5)))
        mortal.engine.kill()
        with pytest.raises(BusUnavailable):
            await mortal.bus.publish(packets("t", range(5, 6)))
        await mortal.restart_engine()
        await publish_surely(mortal.bus, packets("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)), within=BACK_WITHIN)
    assert list(dict.fromkeys(reader.of("t"))) == list(range(10))


async def test_an_engine_that_does_not_answer_is_not_waited_for_for_ever(mortal: Mortal) -> None:
    async with reading(mortal.bus, "g", "t") as reader:
        await publish_surely(mortal.bus, packets("t", range(5)))
        await until(lambda: set(reader.of("t")) == set(range(5)))
        mortal.engine.freeze()
        began = time.monotonic()
        try:
            with pytest.raises(BusUnavailable):
                await mortal.bus.publish(packets("t", range(5, 6)))
            assert time.monotonic() - began < 6.0
        finally:
            mortal.engine.thaw()
        await publish_surely(mortal.bus, packets("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)), within=BACK_WITHIN)


async def test_while_the_engine_dies_and_returns_nothing_is_lost_and_no_key_is_out_of_order(mortal: Mortal) -> None:
    keys, total = 5, 600

    async def publish_all() -> None:
        for start in range(0, total, 20):
            await publish_surely(mortal.bus, packets("t", range(start, start + 20), key=lambda n: str(n % keys)))
            await asyncio.sleep(0.005)

    async with reading(mortal.bus, "g", "t", most=11) as reader:
        publishing = asyncio.create_task(publish_all())
        await until(lambda: len(reader.got) >= 100)
        mortal.engine.kill()
        await mortal.restart_engine()
        await until(lambda: set(reader.of("t")) == set(range(total)), within=BACK_WITHIN)
        await publishing
    first_seen = list(dict.fromkeys(reader.of("t")))
    for key in range(keys):
        assert [n for n in first_seen if n % keys == key] == list(range(key, total, keys))
