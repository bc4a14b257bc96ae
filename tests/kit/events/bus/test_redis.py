"""The bus on Redis Streams: what it promises beyond the conformance suite."""

import asyncio

import pytest
from redis.asyncio import Redis

from nextbuy.kit.events.bus.redis import RedisBus
from tests.kit.events.bus.test_conformance import first_batch, messages, numbers, reading
from tests.waiting import until


async def test_owner_with_expired_lease_takes_nothing_from_its_successor(redis: Redis, bus: RedisBus) -> None:
    async with reading(bus, "g", "t") as sleeper:
        await bus.publish(messages("t", range(3)))
        await until(lambda: len(sleeper.got) == 3)
        # Another owner takes the lease, as if this one had slept through its end.
        await redis.set("nextbuy:lease:g:t", "another", px=4_000)
        await bus.publish(messages("t", range(3, 6)))
        await until(lambda: not sleeper.subscription._topics[0].leased)  # type: ignore[attr-defined]
        pending = await redis.xpending("nextbuy:stream:t", "g")
        assert pending["pending"] == 0
        assert sleeper.of("t") == [0, 1, 2]
        await until(lambda: len(sleeper.got) == 6)
    assert sleeper.of("t") == list(range(6))


async def test_group_is_created_again_after_flushall(redis: Redis, bus: RedisBus) -> None:
    async with reading(bus, "g", "t") as reader:
        await bus.publish(messages("t", range(3)))
        await until(lambda: len(reader.got) == 3)
        await redis.flushall()
        await bus.publish(messages("t", range(3, 6)))
        await until(lambda: len(reader.got) == 6)


async def test_successor_reads_unacknowledged_events_after_crashed_owners_lease(redis: Redis, bus: RedisBus) -> None:
    await bus.publish(messages("t", range(10)))
    crashed = bus.subscribe("g", ["t"], batch_size=4)
    assert numbers(await first_batch(crashed)) == [0, 1, 2, 3]
    for helper in crashed._helpers:
        helper.cancel()
    await asyncio.gather(*crashed._helpers, return_exceptions=True)
    async with reading(bus, "g", "t") as successor:
        await until(lambda: len(successor.got) >= 10)
    assert successor.of("t") == list(range(10))
    await crashed.close()


async def test_trimmed_events_are_logged_as_lost_and_block_nothing(
    redis: Redis, bus: RedisBus, caplog: pytest.LogCaptureFixture
) -> None:
    await bus.publish(messages("t", range(3)))
    slow = bus.subscribe("g", ["t"])
    assert numbers(await first_batch(slow)) == [0, 1, 2]
    await slow.close()
    await redis.xtrim("nextbuy:stream:t", 1, approximate=False)
    async with reading(bus, "g", "t") as reader:
        await bus.publish(messages("t", range(3, 5)))
        await until(lambda: len(reader.got) >= 3)
    assert reader.of("t") == [2, 3, 4]
    assert "EVENTS LOST: 2 t events were trimmed before group g read them" in caplog.text


async def test_foreign_stream_entry_is_delivered_with_empty_body_and_no_position(redis: Redis, bus: RedisBus) -> None:
    await redis.xadd("nextbuy:stream:t", {"foreign": "entry"})
    subscription = bus.subscribe("g", ["t"])
    [delivery] = (await first_batch(subscription)).deliveries
    assert (delivery.body, delivery.position) == (b"", 0)
    await subscription.close()
