"""What every bus must do; each test runs on each of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from nextbuy.kit.bus import Batch, Bus, BusUnavailable, Packet, Subscription
from tests.kit.conftest import OwnRedis
from tests.waiting import until


@pytest.fixture(params=["bus"])
def any_bus(request: pytest.FixtureRequest) -> Bus:
    """Each bus in turn."""
    bus: Bus = request.getfixturevalue(request.param)
    return bus


@pytest.fixture
def mortal_bus(own_bus: Bus) -> Bus:
    """A bus whose engine can be hurt."""
    return own_bus


def packets(topic: str, numbers: range, key: Callable[[int], str] = str) -> list[Packet]:
    return [Packet(topic, key(n), b"%d" % n) for n in numbers]


def numbers(batch: Batch) -> list[int]:
    return [int(delivery.body) for delivery in batch.deliveries]


class Reading:
    """A consumer that acknowledges what it gets, and remembers it."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.got: list[tuple[str, int]] = []
        self.sizes: list[int] = []

    async def run(self) -> None:
        async for batch in self.subscription.batches():
            self.got += [(batch.topic, n) for n in numbers(batch)]
            self.sizes.append(len(batch.deliveries))
            with suppress(BusUnavailable):
                await batch.acknowledge()

    def of(self, topic: str) -> list[int]:
        return [n for name, n in self.got if name == topic]


@asynccontextmanager
async def reading(bus: Bus, group: str, *topics: str, most: int = 200) -> AsyncIterator[Reading]:
    one = Reading(bus.subscribe(group, topics, most=most))
    task = asyncio.create_task(one.run())
    yield one
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


async def test_every_group_gets_everything_however_late_it_comes(any_bus: Bus) -> None:
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
        assert numbers(await anext(batches)) == [10, 11]
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


async def test_two_consumers_of_a_group_share_no_topic_and_lose_nothing(any_bus: Bus) -> None:
    topics = ["a", "b", "c"]
    async with reading(any_bus, "g", *topics, most=5) as one, reading(any_bus, "g", *topics, most=5) as other:
        for start in range(0, 60, 20):
            for topic in topics:
                await any_bus.publish(packets(topic, range(start, start + 20)))
        await until(lambda: len(one.got) + len(other.got) >= 180)
    for topic in topics:
        assert [one.of(topic), other.of(topic)] in ([list(range(60)), []], [[], list(range(60))])


async def test_a_consumer_that_leaves_hands_over_at_once(any_bus: Bus) -> None:
    async with reading(any_bus, "g", "t") as first:
        await any_bus.publish(packets("t", range(3)))
        await until(lambda: len(first.got) == 3)
        async with reading(any_bus, "g", "t") as second:
            await first.subscription.close()
            left_at = time.monotonic()
            await any_bus.publish(packets("t", range(3, 6)))
            await until(lambda: len(second.got) == 3)
            assert time.monotonic() - left_at < 3.0
    assert second.of("t") == [3, 4, 5]


async def test_what_a_dead_consumer_had_in_hand_goes_to_its_successor_first(any_bus: Bus) -> None:
    await any_bus.publish(packets("t", range(10)))
    dead = any_bus.subscribe("g", ["t"], most=4)
    assert numbers(await first_batch(dead)) == [0, 1, 2, 3]
    await dead.close()
    async with reading(any_bus, "g", "t") as successor:
        await until(lambda: len(successor.got) >= 10)
    assert successor.of("t") == list(range(10))


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe", b"x" * 1_000_000, "snö ☃ 💶".encode()], ids=len)
async def test_bytes_of_any_kind_and_size_arrive_as_they_were(any_bus: Bus, body: bytes) -> None:
    await any_bus.publish([Packet("odd", "ключ 🔑 \n", body)])
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


async def test_while_the_engine_is_dead_publishing_fails_and_afterwards_all_goes_on(
    own_redis: OwnRedis, mortal_bus: Bus
) -> None:
    async with reading(mortal_bus, "g", "t") as reader:
        await mortal_bus.publish(packets("t", range(5)))
        await until(lambda: len(reader.got) == 5)
        own_redis.kill()
        with pytest.raises(BusUnavailable):
            await mortal_bus.publish(packets("t", range(5, 6)))
        own_redis.restart()
        await mortal_bus.publish(packets("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)))
    assert list(dict.fromkeys(reader.of("t"))) == list(range(10))


async def test_an_engine_that_does_not_answer_is_not_waited_for_for_ever(own_redis: OwnRedis, mortal_bus: Bus) -> None:
    async with reading(mortal_bus, "g", "t") as reader:
        await mortal_bus.publish(packets("t", range(5)))
        await until(lambda: len(reader.got) == 5)
        own_redis.freeze()
        began = time.monotonic()
        try:
            with pytest.raises(BusUnavailable):
                await mortal_bus.publish(packets("t", range(5, 6)))
            assert time.monotonic() - began < 6.0
        finally:
            own_redis.thaw()
        await mortal_bus.publish(packets("t", range(5, 10)))
        await until(lambda: set(reader.of("t")) == set(range(10)))
