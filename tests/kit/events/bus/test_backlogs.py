"""Each bus reports what waits for a consumer group: the number of messages, and the age of the oldest."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from nextbuy.contracts.status import Backlog
from nextbuy.kit.events.bus import kafka
from nextbuy.kit.events.bus.interface import Bus, BusMessage, BusUnavailable
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kit.conftest import OwnRedis
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def patient_backlogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a healthy Kafka may take longer than a status does."""
    monkeypatch.setattr(kafka, "_BACKLOG_TIMEOUT", 20.0)


async def publish(bus: Bus, topic: str, count: int) -> None:
    await bus.publish([BusMessage(topic, f"key {n}", b"%d" % n, n + 1) for n in range(count)])


async def backlog(bus: Bus, group: str, *topics: str) -> Backlog:
    return (await bus.backlogs({group: topics}))[group]


async def acknowledge(bus: Bus, group: str, topic: str, count: int) -> None:
    """Read and acknowledge at least `count` messages of a topic."""
    subscription = bus.subscribe(group, [topic])
    done = 0
    async for batch in subscription.batches():
        await batch.acknowledge()
        done += len(batch.deliveries)
        if done >= count:
            break
    await subscription.close()


async def test_topic_that_does_not_exist_has_no_backlog(any_bus: Bus) -> None:
    assert await backlog(any_bus, "readers", "backlog.unknown") == Backlog(0)


async def test_group_that_never_read_waits_for_everything(any_bus: Bus) -> None:
    began = time.time()
    await publish(any_bus, "backlog.new", 5)

    found = await backlog(any_bus, "readers", "backlog.new")

    assert found.waiting == 5
    assert found.oldest_s is not None
    assert 0 <= found.oldest_s <= time.time() - began + 1


async def test_backlog_is_that_of_all_topics_of_the_group(any_bus: Bus) -> None:
    await publish(any_bus, "backlog.first", 2)
    await publish(any_bus, "backlog.second", 3)
    await publish(any_bus, "backlog.third", 4)

    found = await any_bus.backlogs({"some": ["backlog.first", "backlog.second"], "others": ["backlog.third"]})

    assert {group: one.waiting for group, one in found.items()} == {"some": 5, "others": 4}


async def test_acknowledged_messages_do_not_wait(any_bus: Bus) -> None:
    await publish(any_bus, "backlog.read", 6)
    await acknowledge(any_bus, "readers", "backlog.read", 6)

    async def is_empty() -> bool:
        return await backlog(any_bus, "readers", "backlog.read") == Backlog(0)

    await until(is_empty, "the acknowledgement is stored", timeout=30)
    assert (await backlog(any_bus, "others", "backlog.read")).waiting == 6


async def test_read_messages_wait_until_they_are_acknowledged(any_bus: Bus) -> None:
    await publish(any_bus, "backlog.pending", 3)
    subscription = any_bus.subscribe("readers", ["backlog.pending"])
    batch = await anext(subscription.batches())
    await publish(any_bus, "backlog.pending", 2)

    found = await backlog(any_bus, "readers", "backlog.pending")

    await batch.acknowledge(0)
    await subscription.close()
    assert found.waiting == 5
    assert found.oldest_s is not None


async def test_age_is_that_of_the_oldest_waiting_message(any_bus: Bus) -> None:
    await publish(any_bus, "backlog.age", 1)
    await acknowledge(any_bus, "readers", "backlog.age", 1)
    await asyncio.sleep(1.5)
    between = time.time()
    await publish(any_bus, "backlog.age", 1)

    async def only_the_second_waits() -> bool:
        return (await backlog(any_bus, "readers", "backlog.age")).waiting == 1

    await until(only_the_second_waits, "the acknowledgement is stored", timeout=30)
    of_readers = await backlog(any_bus, "readers", "backlog.age")
    of_others = await backlog(any_bus, "others", "backlog.age")

    assert of_readers.oldest_s is not None
    assert of_others.oldest_s is not None
    assert of_readers.oldest_s <= time.time() - between + 0.001, "ages are in milliseconds"
    assert of_others.oldest_s >= of_readers.oldest_s + 1.0


async def test_unread_messages_are_counted_without_help_of_redis(bus: RedisBus) -> None:
    """Redis does not know the lag of a group on a stream from which messages were deleted."""
    stream, execute = "nextbuy:stream:backlog.deleted", cast("Any", bus._client.execute_command)
    await publish(bus, "backlog.deleted", 4)
    await bus._client.xgroup_create(stream, "readers", id="0")
    entries = await execute("XRANGE", stream, "-", "+")
    first, second = list(entries)[:2]
    await execute("XREADGROUP", "GROUP", "readers", "owner", "COUNT", 1, "STREAMS", stream, ">")
    await execute("XDEL", stream, second[0])
    await execute("XACK", stream, "readers", first[0])
    [info] = await bus._client.xinfo_groups(stream)
    assert info.get("lag") is None

    assert (await backlog(bus, "readers", "backlog.deleted")).waiting == 2


@pytest.mark.parametrize("topics", [["backlog.x"], []])
async def test_unavailable_redis_is_reported(own_redis: OwnRedis, own_bus: RedisBus, topics: Sequence[str]) -> None:
    own_redis.kill()

    with pytest.raises(BusUnavailable):
        await backlog(own_bus, "readers", *topics)
    own_redis.restart()
