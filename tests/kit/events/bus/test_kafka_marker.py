"""The marker of a marketplace on Kafka: what it promises beyond both buses' common tests."""

import asyncio
from threading import Barrier

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus import kafka_marker
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from tests.kafka_broker import bus_on, own_prefix
from tools.kafka import free_ports

pytestmark = pytest.mark.timeout(180)
OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


async def test_both_that_find_no_marker_agree_on_one(kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch) -> None:
    both_found_none, append = Barrier(2), kafka_marker._append

    def append_together(kafka: Kafka, topic: str, value: bytes, deadline: float) -> None:
        both_found_none.wait(30)
        append(kafka, topic, value, deadline)

    monkeypatch.setattr(kafka_marker, "_append", append_together)

    found = await asyncio.gather(kafka_bus.claim_prefix(OURS), kafka_bus.claim_prefix(THEIRS))

    assert sorted(len(risks) for risks in found) == [0, 1]
    assert await kafka_bus.claim_prefix(OURS) == found[0]
    assert await kafka_bus.claim_prefix(THEIRS) == found[1]


async def test_marker_has_one_partition_without_end_and_is_no_risk_of_events(kafka_bus: KafkaBus) -> None:
    await kafka_bus.claim_prefix(OURS)

    admin, topic = AdminClient({"bootstrap.servers": kafka_bus._kafka.servers}), f"{kafka_bus._prefix}marketplace"
    known = admin.list_topics(timeout=10).topics
    assert [name for name in known if name.startswith(kafka_bus._prefix)] == [topic]
    assert [*known[topic].partitions] == [0]
    [described] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    config = described.result(15)
    assert [config[name].value for name in ("retention.ms", "retention.bytes", "cleanup.policy")] == [
        "-1",
        "-1",
        "delete",
    ]
    assert await kafka_bus.risks(["t"]) == []


async def test_lost_marker_is_stored_again(kafka_bus: KafkaBus) -> None:
    await kafka_bus.claim_prefix(THEIRS)
    await delete_marker(kafka_bus)

    assert await kafka_bus.claim_prefix(OURS) == []

    assert [risk.name for risk in await kafka_bus.claim_prefix(THEIRS)] == ["kafka-prefix"]


async def test_cluster_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_marker, "_TIMEOUT", 0.5)
    with pytest.raises(BusUnavailable):
        await bus_on(f"127.0.0.1:{free_ports(1)[0]}").claim_prefix(OURS)


async def test_topic_that_the_cluster_does_not_create_is_reported_with_the_setting(patient_kafka: str) -> None:
    bus = KafkaBus(Kafka(servers=patient_kafka, prefix=own_prefix(), replication=100))

    [risk] = await bus.claim_prefix(OURS)

    assert (risk.name, risk.severity) == ("kafka-prefix-unknown", "unknown")
    assert "Check NEXTBUY_KAFKA_REPLICATION." in risk.problem


async def delete_marker(bus: KafkaBus) -> None:
    """Delete the records of the marker's topic."""
    admin = AdminClient({"bootstrap.servers": bus._kafka.servers})
    [deleted] = admin.delete_records([TopicPartition(f"{bus._prefix}marketplace", 0, OFFSET_END)]).values()
    await asyncio.to_thread(deleted.result, 15)
