"""A cluster of two brokers: events are stored on both, so one may die."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.kafka_broker import KafkaBroker, own_broker, own_prefix
from tests.kit.events.bus.test_conformance import RECOVERY_TIMEOUT, messages, publish_until_stored, reading
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

_FIRST = """
offsets.topic.replication.factor=2
"""
_SECOND = """
process.roles=broker
node.id=2
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{{host}}:{{port}}
"""


@pytest.fixture
def pair() -> Iterator[tuple[KafkaBroker, KafkaBroker]]:
    """The controlling broker, and one that may be killed."""
    with (
        own_broker(settings=_FIRST) as first,
        own_broker(settings=_SECOND.format(controller=first.controller), cluster=first.cluster) as second,
    ):
        yield first, second


async def test_killing_one_of_two_brokers_loses_and_reorders_nothing(
    pair: tuple[KafkaBroker, KafkaBroker],
) -> None:
    first, second = pair
    admin = AdminClient({"bootstrap.servers": first.servers})
    await until(lambda: len(admin.list_topics(timeout=5).brokers) == 2, "two brokers")
    bus = KafkaBus(Kafka(servers=f"{first.servers},{second.servers}", prefix=own_prefix(), replication=2))
    keys, total = 12, 600

    async def publish_all() -> None:
        for start in range(0, total, 20):
            await publish_until_stored(bus, messages("t", range(start, start + 20), key=lambda n: str(n % keys)))
            await asyncio.sleep(0.02)

    async with reading(bus, "g", "t", batch_size=11) as reader:
        publishing = asyncio.create_task(publish_all())
        await until(lambda: len(reader.got) >= 100, timeout=RECOVERY_TIMEOUT)
        assert _replicas(admin, f"{bus._prefix}t") == [2] * 6
        assert not publishing.done()
        second.kill()
        await until(lambda: set(reader.of("t")) == set(range(total)), timeout=RECOVERY_TIMEOUT)
        await publishing
    first_seen = list(dict.fromkeys(reader.of("t")))
    for key in range(keys):
        assert [n for n in first_seen if n % keys == key] == list(range(key, total, keys))
    await bus.close()


def _replicas(admin: AdminClient, topic: str) -> list[int]:
    return [len(partition.replicas) for partition in admin.list_topics(timeout=5).topics[topic].partitions.values()]
