"""The end of a topic, and whether a group has passed it, on both buses."""

import asyncio

import pytest
from redis.asyncio import Redis

from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kit.events.bus.test_conformance import first_batch, messages, reading
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)


async def passed(bus: Bus, topic: str = "t", group: str = "g") -> bool:
    """Return whether a group has passed the present end of a topic."""
    [answer] = await bus.has_passed(group, [(topic, (await bus.ends([topic]))[topic])])
    return answer


async def test_topic_that_does_not_exist_has_no_end_and_is_passed(any_bus: Bus) -> None:
    assert await any_bus.ends(["t"]) == {"t": {}}
    assert await passed(any_bus)


async def test_end_rises_with_each_message(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(3)))
    before = (await any_bus.ends(["t"]))["t"]

    await any_bus.publish(messages("t", range(3, 4)))

    after = (await any_bus.ends(["t"]))["t"]
    assert sum(after.values()) > sum(before.values())
    assert all(after[partition] >= offset for partition, offset in before.items())


async def test_group_that_has_not_read_has_not_passed(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(3)))

    assert not await passed(any_bus)


async def test_group_passes_an_end_when_it_has_acknowledged_everything_before_it(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(3)))
    end = (await any_bus.ends(["t"]))["t"]
    subscription = any_bus.subscribe("g", ["t"])
    batch = await first_batch(subscription)
    assert len(batch.deliveries) == 3
    assert not await passed(any_bus)
    await batch.acknowledge(2)
    await asyncio.sleep(0)
    assert await any_bus.has_passed("g", [("t", end)]) == [False]
    await subscription.close()

    async with reading(any_bus, "g", "t"):
        await until(lambda: passed(any_bus))
        assert await any_bus.has_passed("g", [("t", end), ("t", end)]) == [True, True]
    assert not await passed(any_bus, group="other")


async def test_earlier_end_is_passed_while_later_messages_wait(any_bus: Bus) -> None:
    await any_bus.publish(messages("t", range(3)))
    end = (await any_bus.ends(["t"]))["t"]
    async with reading(any_bus, "g", "t"):
        await until(lambda: passed(any_bus))

    await any_bus.publish(messages("t", range(3, 6)))

    assert await any_bus.has_passed("g", [("t", end)]) == [True]
    assert not await passed(any_bus)


async def test_end_of_a_stream_that_was_trimmed_is_passed(redis: Redis, bus: RedisBus) -> None:
    await bus.publish(messages("t", range(3)))

    await redis.xtrim("nextbuy:stream:t", 0, approximate=False)

    assert (await bus.ends(["t"]))["t"][0] > 0
    assert await passed(bus)
