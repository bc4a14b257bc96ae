"""The bus on Apache Kafka: what it promises beyond the conformance suite."""

import asyncio
import logging
import time
from random import Random
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nextbuy.kit.config import Kafka, from_environment
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.events.bus import kafka_subscription
from nextbuy.kit.events.bus.interface import Batch, BusMessage, BusUnavailable, MessageRejected, TopicRefused
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.kafka_broker import KafkaBroker, bus_on, own_prefix
from tests.kit.events.bus.test_cloud_event import BODY, ENVELOPE
from tests.kit.events.bus.test_conformance import messages, numbers, publish_until_stored, reading
from tests.waiting import until
from tools.kafka import free_ports

pytestmark = pytest.mark.timeout(180)


async def test_event_on_the_wire_is_a_cloud_event_under_its_key(kafka_bus: KafkaBus, kafka_servers: str) -> None:
    await kafka_bus.publish([BusMessage("t", ENVELOPE.key, BODY, 1_234)])
    plain = Consumer(
        {"bootstrap.servers": kafka_servers, "group.id": uuid4().hex, "auto.offset.reset": "earliest"},
    )
    plain.subscribe([f"{kafka_bus._prefix}t"])
    message = await asyncio.to_thread(plain.poll, 15)
    assert message is not None
    assert (message.key(), message.value()) == (ENVELOPE.key.encode(), b'{"total":"68.50"}')
    headers = dict(message.headers() or [])
    assert (headers["ce_specversion"], headers["ce_id"]) == (b"1.0", str(ENVELOPE.id).encode())
    assert headers["ce_sequence"] == b"0000000000000001234"
    plain.close()


async def test_topics_get_configured_partitions_and_replicas(kafka_servers: str) -> None:
    bus = KafkaBus(Kafka(servers=kafka_servers, prefix=own_prefix(), partitions=5, replication=1))
    await bus.publish(messages("made", range(1)))
    made = AdminClient({"bootstrap.servers": kafka_servers}).list_topics(timeout=10).topics[f"{bus._prefix}made"]
    assert [len(partition.replicas) for partition in made.partitions.values()] == [1] * 5
    await bus.close()


async def test_more_replicas_than_brokers_is_logged_with_the_setting(
    kafka_servers: str, caplog: pytest.LogCaptureFixture
) -> None:
    bus = KafkaBus(Kafka(servers=kafka_servers, prefix=own_prefix(), replication=100))
    with pytest.raises(TopicRefused, match="NEXTBUY_KAFKA_REPLICATION"):
        await bus.publish(messages("t", range(1)))
    async with reading(bus, "g", "t"):
        await until(lambda: any(record.levelno == logging.ERROR for record in caplog.records))
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "NEXTBUY_KAFKA_REPLICATION" in line
    await bus.close()


@pytest.mark.parametrize("size", [9 * 1024 * 1024, 1_500_000], ids=["for the client", "for the topic"])
async def test_message_that_is_too_large_is_rejected_and_others_are_stored(kafka_bus: KafkaBus, size: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_bus._kafka.servers})
    topic = f"{kafka_bus._prefix}t"
    made = admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": str(1024 * 1024)})])
    await asyncio.to_thread(made[topic].result, 15)
    large = BusMessage("t", "a", Random(1).randbytes(size), 1)  # noqa: S311  bytes that do not compress

    with pytest.raises(MessageRejected):
        await kafka_bus.publish([large])

    async with reading(kafka_bus, "g", "t") as reader:
        await kafka_bus.publish(messages("t", range(3)))
        await until(lambda: reader.of("t") == [0, 1, 2])


async def test_topic_that_was_deleted_is_created_again(kafka_bus: KafkaBus) -> None:
    await kafka_bus.publish(messages("t", range(1)))
    admin = AdminClient({"bootstrap.servers": kafka_bus._kafka.servers})
    topic = f"{kafka_bus._prefix}t"
    await asyncio.to_thread(admin.delete_topics([topic])[topic].result, 15)

    async def is_stored() -> bool:
        try:
            await kafka_bus.publish(messages("t", range(1, 2)))
        except (BusUnavailable, TopicRefused):
            return False
        return True

    await until(is_stored, timeout=90)
    async with reading(kafka_bus, "g", "t") as reader:
        await until(lambda: 1 in reader.of("t"), timeout=60)


async def test_revoked_partition_moves_after_its_batch_is_acknowledged(kafka_bus: KafkaBus) -> None:
    await kafka_bus.publish(messages("t", range(9), key=str))
    first = kafka_bus.subscribe("g", ["t"])
    got: list[int] = []
    held: list[Batch] = []
    batches = aiter(first.batches())
    async with asyncio.timeout(15):
        while len([delivery for batch in held for delivery in batch.deliveries]) < 9:
            held.append(await anext(batches))
    async with reading(kafka_bus, "g", "t") as second:
        # The second has joined once partitions of the first are being revoked.
        await until(lambda: any(batch._state.draining for batch in held))  # type: ignore[attr-defined]
        for batch in held:
            got += numbers(batch)
            await batch.acknowledge()
        await kafka_bus.publish(messages("t", range(9, 30), key=str))

        async def continue_reading() -> None:
            async for batch in batches:
                got.extend(numbers(batch))
                await batch.acknowledge()

        continuing = asyncio.create_task(continue_reading())
        await until(lambda: len(got) + len(second.got) >= 30)
        assert second.got
        assert sorted([*got, *second.of("t")]) == list(range(30))
        continuing.cancel()
        await asyncio.gather(continuing, return_exceptions=True)
    await first.close()


async def test_prefetched_events_of_revoked_partition_are_processed_by_successor_alone(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowConsumer(Consumer):
        """A consumer whose partitions are revoked between two messages of one poll, as happens on a busy machine."""

        def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
            time.sleep(0.2)
            return super().consume(num_messages, timeout)

    monkeypatch.setattr(kafka_subscription, "Consumer", SlowConsumer)
    published = 0

    async def publish(count: int) -> None:
        nonlocal published
        start, published = published, published + count
        await kafka_bus.publish(messages("t", range(start, published), key=str))

    async def hand_over(group: str) -> list[int]:
        async with reading(kafka_bus, group, "t") as first:
            await until(lambda: len(first.got) >= 20)
            async with reading(kafka_bus, group, "t") as second, asyncio.timeout(20):
                while not second.got:
                    await publish(2)
                await until(lambda: len({*first.of("t"), *second.of("t")}) == published)
        return sorted([*first.of("t"), *second.of("t")])

    await publish(20)
    # Whether a revoked partition is the one being polled is random; of four groups one nearly always sees it.
    for done in await asyncio.gather(*(hand_over(f"g{n}") for n in range(4))):
        assert done == list(range(len(done)))


async def test_acknowledging_a_revoked_partition_is_refused(kafka_bus: KafkaBus) -> None:
    await kafka_bus.publish(messages("t", range(3)))
    first = kafka_bus.subscribe("g", ["t"])
    async with asyncio.timeout(15):
        batch = await anext(aiter(first.batches()))
    await first.close()
    with pytest.raises(BusUnavailable, match="revoked"):
        await batch.acknowledge()


async def test_missing_kafka_fails_publishing_soon_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bus = bus_on(f"127.0.0.1:{free_ports(1)[0]}")
    subscription = bus.subscribe("g", ["t"])

    async def read() -> None:
        await anext(aiter(subscription.batches()))

    reading_nothing = asyncio.create_task(read())
    async with asyncio.timeout(60):
        for _ in range(2):
            with pytest.raises(BusUnavailable):
                await bus.publish(messages("t", range(1)))
    reading_nothing.cancel()
    await asyncio.gather(reading_nothing, return_exceptions=True)
    await subscription.close()
    await bus.close()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert [sum(waiting in line for line in lines) for waiting in ("group g waits", "publishing waits")] == [1, 1], (
        lines
    )


async def test_ping_reports_whether_kafka_answers(kafka_bus: KafkaBus) -> None:
    await kafka_bus.ping(15)
    with pytest.raises(BusUnavailable, match="resolve"):
        await bus_on("kafka.invalid:9092").ping(2)


async def test_unresolvable_host_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    bus = bus_on("kafka.invalid:9092")

    def logged() -> int:
        return sum("NEXTBUY_KAFKA_SERVERS" in record.getMessage() for record in caplog.records)

    async def fails_and_is_logged() -> bool:
        with pytest.raises(BusUnavailable):
            await bus.publish(messages("t", range(1)))
        return logged() > 0

    # On a busy machine, the resolver may answer after the first attempt has ended.
    await until(fails_and_is_logged, "the host is logged", timeout=40)
    assert logged() == 1


async def test_consumer_started_before_kafka_reads_once_kafka_is_up(own_kafka: KafkaBroker) -> None:
    own_kafka.kill()
    bus = bus_on(own_kafka.servers)
    async with reading(bus, "g", "t") as reader:
        await asyncio.to_thread(own_kafka.restart)
        await publish_until_stored(bus, messages("t", range(3)))
        await until(lambda: set(reader.of("t")) == {0, 1, 2})
    await bus.close()


@pytest.mark.parametrize(
    ("invalid", "setting"),
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
def test_invalid_setting_is_named_in_the_error(invalid: dict[str, str], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        from_environment({f"NEXTBUY_{name}": value for name, value in invalid.items()})


def test_user_name_implies_sasl() -> None:
    read = from_environment({"NEXTBUY_KAFKA_SERVERS": "a:1, b:2", "NEXTBUY_KAFKA_USERNAME": "us"}).kafka
    assert read == Kafka(servers="a:1,b:2", security_protocol="SASL_SSL", username="us")
    assert from_environment({}).kafka == Kafka()
