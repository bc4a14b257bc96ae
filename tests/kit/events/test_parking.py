"""An event that the bus rejects is parked, and a topic that it refuses waits; everything else is published."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)
from redis.asyncio import Redis

from nextbuy.contracts.message import Event
from nextbuy.contracts.parking import ListParkedEvents, ParkedEvent, ReadParkedEvents, ReplayParkedEvents
from nextbuy.kit.events import outbox, waiting_topics
from nextbuy.kit.events.bus.interface import Bus, BusMessage, BusUnavailable, MessageRejected
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.parking import parking_handlers
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.storage.database import Database
from tests.kit.conftest import OwnRedis
from tests.kit.events.sample import Counted, LogFile, Measured, commit, count, count_is
from tests.waiting import until

LIMIT = 1024 * 1024
"""Bytes of a message that the limited buses accept."""


class Noted(Event, topic="test.noted", key="about"):
    about: str
    n: int
    text: str = ""


TOO_LARGE = Random(1).randbytes(LIMIT).hex()  # noqa: S311  no secret; a text that Kafka cannot compress enough


@dataclass
class LimitedBus:
    """A bus that rejects messages beyond `LIMIT`, and a function that raises its limit."""

    bus: Bus
    allow_more: Callable[[], Awaitable[None]]


@pytest.fixture
async def limited_redis(own_redis: OwnRedis, own_bus: RedisBus) -> LimitedBus:
    """A Redis with the lowest limit that there is."""

    async def set_limit(size: int) -> None:
        async with Redis.from_url(own_redis.url) as client:
            await client.config_set("proto-max-bulk-len", size)

    await set_limit(LIMIT)
    return LimitedBus(own_bus, lambda: set_limit(8 * LIMIT))


@pytest.fixture
async def limited_kafka(kafka_bus: KafkaBus) -> LimitedBus:
    """A topic of a Kafka with its own limit."""
    admin = AdminClient({"bootstrap.servers": kafka_bus._kafka.servers})
    topic = f"{kafka_bus._prefix}{Noted.topic}"
    config = {"max.message.bytes": str(LIMIT)}
    await asyncio.to_thread(admin.create_topics([NewTopic(topic, 3, 1, config=config)])[topic].result, 15)

    async def allow_more() -> None:
        entry = ConfigEntry("max.message.bytes", str(8 * LIMIT), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        await asyncio.to_thread(admin.incremental_alter_configs([resource])[resource].result, 15)

    return LimitedBus(kafka_bus, allow_more)


@pytest.fixture(params=["redis", "kafka"])
def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LimitedBus:
    """Each bus with a limit, and a publisher without one."""
    monkeypatch.setattr(outbox, "MAX_EVENT_BYTES", 8 * LIMIT)
    bus: LimitedBus = request.getfixturevalue(f"limited_{request.param}")
    return bus


@asynccontextmanager
async def relaying(database: Database, bus: Bus, log_file: LogFile) -> AsyncIterator[None]:
    task = asyncio.create_task(Relay(database, bus, log_file.journal).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def arrived(bus: Bus, topic: str, number: int) -> list[int]:
    """Return the numbers of the events on a topic, once there are `number`, without repetitions."""
    subscription = bus.subscribe("test", [topic])
    found: dict[int, None] = {}
    async with asyncio.timeout(30):
        async for batch in subscription.batches():
            for delivery in batch.deliveries:
                envelope = msgspec.json.decode(delivery.body)
                found.setdefault(envelope["data"]["n"])
            await batch.acknowledge()
            if len(found) >= number:
                break
    await subscription.close()
    return list(found)


async def call(database: Database, call: ListParkedEvents | ReadParkedEvents | ReplayParkedEvents) -> Any:  # noqa: ANN401
    """Answer a call as the publisher does."""
    kinds: Sequence[type] = (ListParkedEvents, ReadParkedEvents, ReplayParkedEvents)
    for handler, kind in zip(parking_handlers("sample", database), kinds, strict=True):
        if isinstance(call, kind):
            return await handler.act(None, call)
    raise AssertionError


async def parked(database: Database) -> list[ParkedEvent]:
    """Return the parked events, as the kafka service reads them."""
    listed = (await call(database, ListParkedEvents())).events
    found: list[ParkedEvent] = (
        await call(database, ReadParkedEvents(event_ids=[one.event_id for one in listed]))
    ).events
    return found


async def replay(database: Database, *event_ids: UUID) -> None:
    await call(database, ReplayParkedEvents(event_ids=list(event_ids)))


@pytest.mark.timeout(180)
async def test_rejected_event_is_parked_and_all_others_are_published_in_order(
    publisher: Database, limited: LimitedBus, log_file: LogFile, caplog: pytest.LogCaptureFixture
) -> None:
    texts = {17: TOO_LARGE}
    await commit(publisher, *[Noted(about="a", n=n, text=texts.get(n, "")) for n in range(40)])

    async with relaying(publisher, limited.bus, log_file):
        await until(lambda: count_is(publisher, "outbox", 0), timeout=60)

    assert await arrived(limited.bus, Noted.topic, 39) == [n for n in range(40) if n != 17]
    [one] = await parked(publisher)
    assert one.topic == Noted.topic
    assert "rejects the message" in one.reason
    assert msgspec.json.decode(one.envelope)["data"]["n"] == 17
    assert [record.levelname for record in caplog.records if "it is parked" in record.getMessage()] == ["ERROR"]
    [rejected] = [line for line in log_file.lines("publish") if line["outcome"] == "rejected"]
    assert rejected["ids"]["event"] == [str(one.event_id)]
    assert await count(publisher, "event_log") == 40


@pytest.mark.timeout(180)
async def test_replayed_event_is_published_once_the_bus_accepts_it(
    publisher: Database, limited: LimitedBus, log_file: LogFile
) -> None:
    await commit(publisher, Noted(about="a", n=1, text=TOO_LARGE), Noted(about="a", n=2))
    async with relaying(publisher, limited.bus, log_file):
        await until(lambda: count_is(publisher, "parked_events", 1), timeout=60)
        [one] = await parked(publisher)

        await replay(publisher, one.event_id)
        await until(lambda: count_is(publisher, "outbox", 0), timeout=60)
        assert [again.event_id for again in await parked(publisher)] == [one.event_id]

        await limited.allow_more()

        # Kafka may apply a new limit after it has acknowledged it.
        async def is_published() -> bool:
            await replay(publisher, one.event_id)
            return await count(publisher, "outbox") + await count(publisher, "parked_events") == 0

        await until(is_published, timeout=60)
    assert sorted(await arrived(limited.bus, Noted.topic, 2)) == [1, 2]


async def test_rejected_event_among_two_thousand_costs_few_attempts(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    attempts: list[int] = []

    class PickyBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:
            attempts.append(len(messages))
            if any(b'"n":1500' in message.body for message in messages):
                raise MessageRejected("too odd")
            await super().publish(messages)

    await commit(publisher, *[Counted(about=f"key-{n % 40}", n=n) for n in range(2_000)])
    picky = PickyBus(bus._shared_client)
    async with relaying(publisher, picky, log_file):
        await until(lambda: count_is(publisher, "outbox", 0))
    await picky.close()

    assert [msgspec.json.decode(one.envelope)["data"]["n"] for one in await parked(publisher)] == [1500]
    assert len(await arrived(bus, Counted.topic, 1_999)) == 1_999
    assert len(attempts) < 40


async def test_relay_that_lost_its_lease_parks_nothing(publisher: Database, bus: RedisBus, log_file: LogFile) -> None:
    class StalledBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:  # noqa: ARG002
            await publisher.execute("UPDATE outbox_leases SET leased_until = clock_timestamp() + interval '1 hour'")
            raise MessageRejected("too odd")

    await commit(publisher, Counted(about="a", n=1))
    stalled = StalledBus(bus._shared_client)
    await Relay(publisher, stalled, log_file.journal).publish_batch()
    await stalled.close()

    assert await count(publisher, "parked_events") == 0
    assert await count(publisher, "outbox") == 1


async def test_event_is_parked_and_replayed_without_being_in_both_places(
    publisher: Database, bus: RedisBus, log_file: LogFile
) -> None:
    class PickyBus(RedisBus):
        async def publish(self, messages: Sequence[BusMessage]) -> None:  # noqa: ARG002
            raise MessageRejected("too odd")

    await commit(publisher, Counted(about="a", n=1))
    picky = PickyBus(bus._shared_client)
    assert await Relay(publisher, picky, log_file.journal).publish_batch() == 0
    await picky.close()
    assert (await count(publisher, "outbox"), await count(publisher, "parked_events")) == (0, 1)

    [one] = await parked(publisher)
    for _ in range(2):
        await replay(publisher, one.event_id)
        assert (await count(publisher, "outbox"), await count(publisher, "parked_events")) == (1, 0)
    assert await Relay(publisher, bus, log_file.journal).publish_batch() == 1


async def test_list_of_parked_events_continues_after_position(publisher: Database) -> None:
    await commit(publisher, *[Counted(about="a", n=n) for n in range(3)])
    await publisher.execute("INSERT INTO parked_events (id, reason) SELECT id, 'too odd' FROM event_log")

    first, *others = (await call(publisher, ListParkedEvents())).events

    assert (await call(publisher, ListParkedEvents(after=first.position))).events == others
    assert (await call(publisher, ListParkedEvents(after=others[-1].position))).events == []


async def test_refused_topic_waits_and_other_topics_go_on(
    publisher: Database,
    redis: Redis,
    bus: RedisBus,
    log_file: LogFile,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting_topics, "RETRY_CAP", 0.5)
    caplog.set_level(logging.INFO, logger="nextbuy.kit.events.waiting_topics")
    await redis.set(f"nextbuy:stream:{Measured.topic}", "not a stream")
    async with relaying(publisher, bus, log_file):
        for n in range(5):
            await commit(publisher, Measured(about="a", n=n), Counted(about="a", n=n))
            await until(lambda n=n: count_is(publisher, "outbox", n + 1))  # type: ignore[misc]
        assert await arrived(bus, Counted.topic, 5) == [*range(5)]
        await until(lambda: _lines(caplog) == ["topic refused by the bus"])

        await redis.delete(f"nextbuy:stream:{Measured.topic}")
        await until(lambda: count_is(publisher, "outbox", 0))
        await until(lambda: len(_lines(caplog)) > 1)
    assert await arrived(bus, Measured.topic, 5) == [*range(5)]
    assert _lines(caplog) == ["topic refused by the bus", "topic accepted by the bus again"]


async def test_topic_without_permission_waits_and_other_topics_go_on(
    publisher: Database, own_redis: OwnRedis, log_file: LogFile
) -> None:
    async with Redis.from_url(own_redis.url) as admin:
        keys = [f"nextbuy:stream:{Counted.topic}", f"nextbuy:hint:{Counted.topic}"]
        await admin.acl_setuser(
            "limited", enabled=True, nopass=True, keys=keys, reset_channels=True, commands=["+@all"]
        )
        async with Redis.from_url(own_redis.url, username="limited", password="any") as client:
            limited = RedisBus(client)
            await commit(publisher, Measured(about="a", n=1), Counted(about="a", n=1), Counted(about="a", n=2))
            async with relaying(publisher, limited, log_file):
                await until(lambda: count_is(publisher, "outbox", 1))
            await limited.close()
        # Hints are refused too. A failure of the script after its events would repeat them with each attempt.
        assert await admin.xlen(f"nextbuy:stream:{Counted.topic}") <= 4

    assert [row["topic"] for row in await publisher.fetch("SELECT topic FROM outbox JOIN event_log USING (id)")] == [
        Measured.topic
    ]


async def test_redis_without_memory_is_an_outage_that_loses_nothing(
    publisher: Database, own_redis: OwnRedis, own_bus: RedisBus, log_file: LogFile
) -> None:
    await commit(publisher, *[Counted(about="a", n=n) for n in range(3)])
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("maxmemory", "1kb")
        with pytest.raises(BusUnavailable, match="maxmemory"):
            await Relay(publisher, own_bus, log_file.journal).publish_batch()
        assert await count(publisher, "outbox") == 3
        await admin.config_set("maxmemory", "0")
    assert await Relay(publisher, own_bus, log_file.journal).publish_batch() == 3


async def test_events_after_long_queue_of_refused_topic_are_published(
    publisher: Database, redis: Redis, bus: RedisBus, log_file: LogFile
) -> None:
    await redis.set(f"nextbuy:stream:{Measured.topic}", "not a stream")
    await commit(publisher, *[Measured(about="a", n=n) for n in range(200)], Counted(about="a", n=1))
    relay = Relay(publisher, bus, log_file.journal, batch_size=10)

    assert await relay.publish_batch() == 0
    assert await relay.publish_batch() == 1
    assert await relay.publish_batch() is None
    assert await count(publisher, "outbox_leases WHERE leased_until > now()") == 0


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if "the bus" in record.getMessage()]
    return [line.partition(";")[0] for line in lines]
