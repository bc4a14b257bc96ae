"""The bus on Redis Streams sends few commands: one script per group and poll, and none without a reason."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from nextbuy.kit.events.bus import redis as redis_bus
from nextbuy.kit.events.bus import redis_subscription
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kit.events.bus.test_conformance import first_batch, messages, numbers, reading
from tests.waiting import until

NEVER = 3_600.0


async def calls(redis: Redis, command: str) -> int:
    """Return how often Redis has run a command, also in scripts."""
    return int((await redis.info("commandstats")).get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscriptions that only hints wake."""
    monkeypatch.setattr(redis_subscription, "POLL_INTERVAL", NEVER)
    monkeypatch.setattr(redis_subscription, "LEASE", NEVER)


async def test_idle_group_runs_one_script_per_poll_for_all_its_topics(
    redis: Redis, bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_subscription, "POLL_INTERVAL", 0.02)
    topics = [f"topic-{number}" for number in range(20)]
    async with reading(bus, "g", *topics) as reader:
        await bus.publish(messages(topics[-1], range(1)))
        await until(lambda: len(reader.got) == 1)
        scripts, reads, sent = [await calls(redis, name) for name in ("evalsha", "xreadgroup", "eval")]

        async def has_polled() -> bool:
            return await calls(redis, "evalsha") >= scripts + 10

        await until(has_polled)
        done = await calls(redis, "evalsha") - scripts
        assert await calls(redis, "xreadgroup") - reads <= done + 1
        assert await calls(redis, "eval") == sent


@pytest.mark.usefixtures("no_polls")
async def test_acknowledgement_is_followed_by_no_look_at_the_bus(redis: Redis, bus: RedisBus) -> None:
    async with reading(bus, "g", "t", "other") as reader:
        await bus.publish(messages("t", range(1)))
        await until(lambda: len(reader.got) == 1)
        before, acknowledged = await calls(redis, "xreadgroup"), await calls(redis, "xack")
        for n in range(1, 6):
            await bus.publish(messages("t", range(n, n + 1)))
            await until(lambda n=n: len(reader.got) == n + 1)  # type: ignore[misc]

        async def all_acknowledged() -> bool:
            return await calls(redis, "xack") == acknowledged + 5

        await until(all_acknowledged)
        assert await calls(redis, "xreadgroup") - before == 5


@pytest.mark.usefixtures("no_polls")
async def test_full_batches_are_read_to_the_end_without_hints(bus: RedisBus) -> None:
    await bus.publish(messages("t", range(25)))
    async with reading(bus, "g", "t", batch_size=5) as reader:
        await until(lambda: len(reader.got) == 25)
    assert reader.of("t") == list(range(25))
    assert max(reader.sizes) == 5


@pytest.mark.usefixtures("no_polls")
async def test_message_published_during_a_batch_is_taken_after_it(bus: RedisBus) -> None:
    subscription = bus.subscribe("g", ["t"])
    batches = aiter(subscription.batches())
    async with asyncio.timeout(15):
        await bus.publish(messages("t", range(1)))
        batch = await anext(batches)
        await bus.publish(messages("t", range(1, 3)))
        following = asyncio.ensure_future(anext(batches))
        await until(lambda: subscription._topics[0].ready)
        await batch.acknowledge()
        assert numbers(await following) == [1, 2]
    await subscription.close()


async def test_lease_of_a_topic_in_progress_is_extended_while_its_reader_is_busy(
    redis: Redis, bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_subscription, "POLL_INTERVAL", 0.05)
    monkeypatch.setattr(redis_subscription, "LEASE", 1.0)
    await bus.publish(messages("t", range(3)))
    busy = bus.subscribe("g", ["t"])
    assert numbers(await first_batch(busy)) == [0, 1, 2]
    async with reading(bus, "g", "t") as other:
        extended = await calls(redis, "pexpire")

        async def has_outlived_its_lease() -> bool:
            return await calls(redis, "pexpire") >= extended + 25

        await until(has_outlived_its_lease)
        assert other.got == []
    await busy.close()


async def test_scripts_are_loaded_again_after_redis_forgot_them(redis: Redis, bus: RedisBus) -> None:
    async with reading(bus, "g", "t") as reader:
        await bus.publish(messages("t", range(1)))
        await until(lambda: len(reader.got) == 1)
        await redis.script_flush()
        await bus.publish(messages("t", range(1, 3)))
        await until(lambda: len(reader.got) == 3)


async def test_stream_is_trimmed_once_per_interval(
    redis: Redis, bus: RedisBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await calls(redis, "xtrim")
    for n in range(5):
        await bus.publish([*messages("a", range(n, n + 1)), *messages("b", range(n, n + 1))])
    assert await calls(redis, "xtrim") == before + 2

    monkeypatch.setattr(redis_bus, "TRIM_INTERVAL", 0.0)
    await bus.publish(messages("a", range(5, 6)))
    assert await calls(redis, "xtrim") == before + 3


async def test_messages_older_than_the_retention_are_deleted(redis: Redis, bus: RedisBus) -> None:
    await redis.xadd("nextbuy:stream:t", {"event": b"old"}, id="1-1")

    await bus.publish(messages("t", range(2)))

    entries: Any = await redis.xrange("nextbuy:stream:t")
    assert [fields[b"event"] for _, fields in entries] == [b"0", b"1"]
