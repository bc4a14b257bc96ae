"""What the bus on Apache Kafka promises beyond what every bus does."""

import asyncio
import logging
import time
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient

from nextbuy.kit.config import ConfigError, Kafka, from_environment
from nextbuy.kit.events.bus import kafka_subscription as bus_kafka_subscription
from nextbuy.kit.events.bus.interface import Batch, BusMessage, BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.kafka_broker import KafkaBroker, bus_on, own_prefix
from tests.kit.test_bus_conformance import numbers, packets, publish_surely, reading
from tests.kit.test_cloud_event import BODY, ENVELOPE
from tests.waiting import until
from tools.kafka import free_ports

pytestmark = pytest.mark.timeout(180)


async def test_an_event_is_on_the_wire_a_cloud_event_under_its_key(kafka_bus: KafkaBus, kafka_servers: str) -> None:
    await kafka_bus.publish([BusMessage("t", ENVELOPE.key, BODY)])
    plain = Consumer(
        {"bootstrap.servers": kafka_servers, "group.id": uuid4().hex, "auto.offset.reset": "earliest"},
    )
    plain.subscribe([f"{kafka_bus._prefix}t"])
    message = await asyncio.to_thread(plain.poll, 15)
    assert message is not None
    assert (message.key(), message.value()) == (ENVELOPE.key.encode(), b'{"total":"68.50"}')
    headers = dict(message.headers() or [])
    assert (headers["ce_specversion"], headers["ce_id"]) == (b"1.0", str(ENVELOPE.id).encode())
    plain.close()


async def test_topics_are_made_with_the_partitions_and_copies_that_were_asked_for(kafka_servers: str) -> None:
    bus = KafkaBus(Kafka(servers=kafka_servers, prefix=own_prefix(), partitions=5, replication=1))
    await bus.publish(packets("made", range(1)))
    made = AdminClient({"bootstrap.servers": kafka_servers}).list_topics(timeout=10).topics[f"{bus._prefix}made"]
    assert [len(partition.replicas) for partition in made.partitions.values()] == [1] * 5
    await bus.close()


async def test_more_copies_than_there_are_brokers_is_told_plainly(
    kafka_servers: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = KafkaBus(Kafka(servers=kafka_servers, prefix=own_prefix(), replication=100))
    with pytest.raises(BusUnavailable):
        await bus.publish(packets("t", range(1)))
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "NEXTBUY_KAFKA_REPLICATION" in told
    await bus.close()


async def test_a_partition_moves_when_the_batch_in_hand_is_done_and_is_done_once(kafka_bus: KafkaBus) -> None:
    await kafka_bus.publish(packets("t", range(9), key=str))
    first = kafka_bus.subscribe("g", ["t"])
    got: list[int] = []
    held: list[Batch] = []
    batches = aiter(first.batches())
    async with asyncio.timeout(15):
        while len([delivery for batch in held for delivery in batch.deliveries]) < 9:
            held.append(await anext(batches))
    async with reading(kafka_bus, "g", "t") as second:
        # The second has joined when the first is asked for some of its partitions.
        await until(lambda: any(batch._place.going for batch in held))  # type: ignore[attr-defined]
        for batch in held:
            got += numbers(batch)
            await batch.acknowledge()
        await kafka_bus.publish(packets("t", range(9, 30), key=str))

        async def go_on() -> None:
            async for batch in batches:
                got.extend(numbers(batch))
                await batch.acknowledge()

        going_on = asyncio.create_task(go_on())
        await until(lambda: len(got) + len(second.got) >= 30)
        assert second.got
        assert sorted([*got, *second.of("t")]) == list(range(30))
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
    await first.close()


async def test_what_was_fetched_of_a_partition_that_is_asked_for_is_done_by_its_successor_alone(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dawdling(Consumer):
        """Is asked for partitions between one message and those behind it, as happens where others use the cores."""

        def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
            time.sleep(0.2)
            return super().consume(num_messages, timeout)

    monkeypatch.setattr(bus_kafka_subscription, "Consumer", Dawdling)
    published = 0

    async def publish(count: int) -> None:
        nonlocal published
        start, published = published, published + count
        await kafka_bus.publish(packets("t", range(start, published), key=str))

    async def hand_over(group: str) -> list[int]:
        async with reading(kafka_bus, group, "t") as first:
            await until(lambda: len(first.got) >= 20)
            async with reading(kafka_bus, group, "t") as second, asyncio.timeout(20):
                while not second.got:
                    await publish(2)
                await until(lambda: len({*first.of("t"), *second.of("t")}) == published)
        return sorted([*first.of("t"), *second.of("t")])

    await publish(20)
    # Which partition is asked for is chance, and so is which is given meanwhile: four groups see it nearly always.
    for done in await asyncio.gather(*(hand_over(f"g{n}") for n in range(4))):
        assert done == list(range(len(done)))


async def test_what_is_acknowledged_after_its_partition_has_moved_is_refused(kafka_bus: KafkaBus) -> None:
    await kafka_bus.publish(packets("t", range(3)))
    first = kafka_bus.subscribe("g", ["t"])
    async with asyncio.timeout(15):
        batch = await anext(aiter(first.batches()))
    await first.close()
    with pytest.raises(BusUnavailable, match="handed over"):
        await batch.acknowledge()


async def test_where_no_kafka_is_publishing_fails_soon_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bus = bus_on(f"127.0.0.1:{free_ports(1)[0]}")
    subscription = bus.subscribe("g", ["t"])

    async def read() -> None:
        await anext(aiter(subscription.batches()))

    reading_nothing = asyncio.create_task(read())
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(BusUnavailable):
            await bus.publish(packets("t", range(1)))
    assert time.monotonic() - began < 12
    reading_nothing.cancel()
    await asyncio.gather(reading_nothing, return_exceptions=True)
    await subscription.close()
    await bus.close()
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert [len([line for line in told if who in line]) for who in ("group g waits", "what is published waits")] == [
        1,
        1,
    ], told


async def test_who_asks_learns_whether_a_kafka_is_there(kafka_bus: KafkaBus) -> None:
    await kafka_bus.ping(15)
    with pytest.raises(BusUnavailable, match="resolve"):
        await bus_on("kafka.invalid:9092").ping(2)


async def test_a_host_that_nobody_knows_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bus = bus_on("kafka.invalid:9092")
    with pytest.raises(BusUnavailable):
        await bus.publish(packets("t", range(1)))
    told = [record.getMessage() for record in caplog.records if "NEXTBUY_KAFKA_SERVERS" in record.getMessage()]
    assert len(told) == 1


async def test_a_consumer_that_was_there_before_kafka_begins_when_it_comes(own_kafka: KafkaBroker) -> None:
    own_kafka.kill()
    bus = bus_on(own_kafka.servers)
    async with reading(bus, "g", "t") as reader:
        await asyncio.to_thread(own_kafka.restart)
        await publish_surely(bus, packets("t", range(3)))
        await until(lambda: set(reader.of("t")) == {0, 1, 2})
    await bus.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"KAFKA_SERVERS": "kafka"}, "NEXTBUY_KAFKA_SERVERS"),
        ({"KAFKA_SERVERS": "kafka://host:9092"}, "NEXTBUY_KAFKA_SERVERS"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "NEXTBUY_KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "NEXTBUY_KAFKA_USERNAME"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_USERNAME": "us"}, "NEXTBUY_KAFKA_USERNAME"),
        ({"KAFKA_USERNAME": "us", "KAFKA_SASL_MECHANISM": "GSSAPI"}, "NEXTBUY_KAFKA_SASL_MECHANISM"),
        ({"KAFKA_CA": "nowhere.pem"}, "NEXTBUY_KAFKA_CA"),
        ({"KAFKA_PREFIX": "our topics"}, "NEXTBUY_KAFKA_PREFIX"),
        ({"KAFKA_PARTITIONS": "0"}, "NEXTBUY_KAFKA_PARTITIONS"),
        ({"KAFKA_REPLICATION": "many"}, "NEXTBUY_KAFKA_REPLICATION"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_environment({f"NEXTBUY_{name}": value for name, value in wrong.items()})


def test_a_kafka_is_named_by_its_servers_and_a_user_means_sasl() -> None:
    read = from_environment({"NEXTBUY_KAFKA_SERVERS": "a:1, b:2", "NEXTBUY_KAFKA_USERNAME": "us"}).kafka
    assert read == Kafka(servers="a:1,b:2", security_protocol="SASL_SSL", username="us")
    assert from_environment({}).kafka == Kafka()
