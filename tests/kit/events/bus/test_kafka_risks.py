"""Topics of a Kafka that may lose events are found, with the setting to change."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.kafka_connection import RETENTION_MS
from nextbuy.kit.events.bus.kafka_risks import topic_risks
from tests.kafka_broker import bus_on, own_prefix
from tests.kit.events.bus.test_conformance import messages
from tools.kafka import free_ports

SAFE = {
    "retention.ms": str(RETENTION_MS),
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
}


async def create(bus: KafkaBus, topic: str, config: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": bus._kafka.servers})
    name = f"{bus._prefix}{topic}"
    await asyncio.to_thread(admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result, 15)


async def test_topics_that_nextbuy_creates_are_safe(kafka_bus: KafkaBus) -> None:
    assert await kafka_bus.risks(["t", "u"]) == []
    await kafka_bus.publish(messages("t", range(1)))
    assert await kafka_bus.risks(["t", "u"]) == []


@pytest.mark.parametrize(
    "config",
    [{"retention.ms": "604800000"}, {"retention.bytes": "1000000"}, {"cleanup.policy": "compact"}],
    ids=["days", "bytes", "compaction"],
)
async def test_topic_with_short_retention_is_named_with_the_remedy(kafka_bus: KafkaBus, config: dict[str, str]) -> None:
    await create(kafka_bus, "short", {"retention.ms": str(RETENTION_MS)} | config)

    [risk] = await kafka_bus.risks(["short", "other"])

    assert (risk.name, risk.severity) == ("kafka-retention", "critical")
    assert f"{kafka_bus._prefix}short" in risk.problem
    assert "other" not in risk.problem
    assert "Set retention.ms to 2592000000" in risk.problem


async def test_cluster_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(BusUnavailable):
        await bus_on(f"127.0.0.1:{free_ports(1)[0]}").risks(["t"])


async def test_more_replicas_than_brokers_is_no_risk_of_loss(kafka_servers: str) -> None:
    bus = KafkaBus(Kafka(servers=kafka_servers, prefix=own_prefix(), replication=3))
    assert await bus.risks(["t"]) == []


@pytest.mark.parametrize(
    ("change", "replicas", "brokers", "found"),
    [
        ({}, 3, 3, []),
        ({"retention.ms": "-1"}, 3, 3, []),
        ({"min.insync.replicas": "1"}, 1, 1, []),
        ({"min.insync.replicas": "1"}, 1, 3, ["kafka-replication"]),
        ({"min.insync.replicas": "1"}, 2, 3, []),
        ({"min.insync.replicas": "1"}, 3, 3, ["kafka-min-insync-replicas"]),
        ({"unclean.leader.election.enable": "true"}, 3, 3, ["kafka-unclean-election"]),
        ({"retention.ms": str(RETENTION_MS - 1)}, 3, 3, ["kafka-retention"]),
        ({"cleanup.policy": "compact,delete"}, 3, 3, ["kafka-retention"]),
    ],
)
def test_replicas_are_judged_by_the_number_of_brokers(
    change: dict[str, str], replicas: int, brokers: int, found: list[str]
) -> None:
    assert list(topic_risks(SAFE | change, replicas, brokers)) == found
