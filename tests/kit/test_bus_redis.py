"""What the bus on Redis Streams promises beyond what every bus does."""

import asyncio

from redis.asyncio import Redis

from nextbuy.kit.events.bus.redis import RedisBus
from tests.kit.test_bus_conformance import first_batch, numbers, packets, reading
from tests.waiting import until


async def test_an_owner_that_slept_through_its_lease_takes_nothing_from_its_successor(
    redis: Redis, bus: RedisBus
) -> None:
    async with reading(bus, "g", "t") as sleeper:
        await bus.publish(packets("t", range(3)))
        await until(lambda: len(sleeper.got) == 3)
        # Its lease passes without its knowledge, and another takes it.
        await redis.set("nextbuy:lease:g:t", "another", px=4_000)
        await bus.publish(packets("t", range(3, 6)))
        await until(lambda: not sleeper.subscription._places[0].held)  # type: ignore[attr-defined]
        pending = await redis.xpending("nextbuy:stream:t", "g")
        assert pending["pending"] == 0
        assert sleeper.of("t") == [0, 1, 2]
        await until(lambda: len(sleeper.got) == 6)
    assert sleeper.of("t") == list(range(6))


async def test_after_all_was_flushed_the_group_is_made_anew(redis: Redis, bus: RedisBus) -> None:
    async with reading(bus, "g", "t") as reader:
        await bus.publish(packets("t", range(3)))
        await until(lambda: len(reader.got) == 3)
        await redis.flushall()
        await bus.publish(packets("t", range(3, 6)))
        await until(lambda: len(reader.got) == 6)


async def test_the_successor_of_a_crashed_owner_waits_for_its_lease_and_then_has_what_it_left(
    redis: Redis, bus: RedisBus
) -> None:
    await bus.publish(packets("t", range(10)))
    crashed = bus.subscribe("g", ["t"], most=4)
    assert numbers(await first_batch(crashed)) == [0, 1, 2, 3]
    for helper in crashed._helpers:
        helper.cancel()
    await asyncio.gather(*crashed._helpers, return_exceptions=True)
    async with reading(bus, "g", "t") as successor:
        await until(lambda: len(successor.got) >= 10)
    assert successor.of("t") == list(range(10))
    await crashed.close()


async def test_events_that_were_cut_off_before_they_were_done_hold_up_nothing(redis: Redis, bus: RedisBus) -> None:
    await bus.publish(packets("t", range(3)))
    slow = bus.subscribe("g", ["t"])
    assert numbers(await first_batch(slow)) == [0, 1, 2]
    await slow.close()
    await redis.xtrim("nextbuy:stream:t", 1, approximate=False)
    async with reading(bus, "g", "t") as reader:
        await bus.publish(packets("t", range(3, 5)))
        await until(lambda: len(reader.got) >= 3)
    assert reader.of("t") == [2, 3, 4]


async def test_an_entry_that_is_none_of_ours_is_delivered_empty(redis: Redis, bus: RedisBus) -> None:
    await redis.xadd("nextbuy:stream:t", {"strange": "thing"})
    subscription = bus.subscribe("g", ["t"])
    assert [delivery.body for delivery in (await first_batch(subscription)).deliveries] == [b""]
    await subscription.close()
