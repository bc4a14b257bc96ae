"""The properties of a Kafka cluster and of its topics that may lose events."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    TopicDescription,
)

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import RETENTION_DAYS, Risk
from nextbuy.kit.events.bus.kafka_connection import (
    MIN_INSYNC_REPLICAS,
    REPLICAS_FOR_MIN_INSYNC,
    RETENTION_MS,
    OutageLog,
    client_settings,
)

_TIMEOUT: Final = 4.0
"""Seconds for all requests of one check."""
_NAMED: Final = 3
"""Topics that a sentence names."""
_FORBIDDEN: Final = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
_RIGHTS: Final = {AclOperation.READ, AclOperation.WRITE}

_REMEDIES: Final = {
    "kafka-retention": (
        f"Kafka may delete events of {{}} before {RETENTION_DAYS} days. Set retention.ms to {RETENTION_MS} or more, "
        "retention.bytes to -1 and cleanup.policy to delete."
    ),
    "kafka-replication": "Kafka stores events of {} on one of several brokers only. Set NEXTBUY_KAFKA_REPLICATION to 3 "
    "for new topics, and reassign existing ones.",
    "kafka-min-insync-replicas": "Kafka acknowledges events of {} that a single broker has stored. Set "
    f"min.insync.replicas to {MIN_INSYNC_REPLICAS}.",
    "kafka-unclean-election": "Kafka may elect a leader that lacks events of {}. Set unclean.leader.election.enable to "
    "false.",
    "kafka-rights": "The Kafka user may not read and write {}; its events wait. Grant READ and WRITE.",
}
_WARNINGS: Final = frozenset({"kafka-rights"})
_UNKNOWN: Final = Risk(
    "kafka-unknown",
    "Kafka forbids DESCRIBE_CONFIGS, so the retention and replication of its topics are unknown. Grant it.",
    "unknown",
)
Config = Mapping[str, str]


def kafka_risks(kafka: Kafka, topics: Sequence[str]) -> list[Risk]:
    """Return the risks of topics, by their names on the cluster; a missing one is judged as NextBuy would create it.

    Raises:
        KafkaException: the cluster does not answer.
    """
    admin = AdminClient(client_settings(kafka, "risks", OutageLog("the check")))
    deadline = time.monotonic() + _TIMEOUT
    cluster = admin.list_topics(timeout=_TIMEOUT)
    existing = [topic for topic in topics if topic in cluster.topics]
    found: dict[str, list[str]] = defaultdict(list)
    unknown = False
    try:
        for topic, config in _topic_configs(admin, existing, deadline).items():
            partitions = cluster.topics[topic].partitions.values()
            replicas = min((len(partition.replicas) for partition in partitions), default=1)
            for name in topic_risks(config, replicas, len(cluster.brokers)):
                found[name].append(topic)
        if len(existing) < len(topics):
            missing = [topic for topic in topics if topic not in cluster.topics]
            replicas, config = _config_of_new(kafka, _broker_config(admin, cluster, deadline))
            for name in topic_risks(config, replicas, len(cluster.brokers)):
                found[name] += missing
    except KafkaException as error:
        if error.args[0].code() not in _FORBIDDEN:
            raise
        unknown = True
    for topic, description in _descriptions(admin, existing, deadline).items():
        allowed = description.authorized_operations
        if allowed and not set(allowed) >= _RIGHTS:
            found["kafka-rights"].append(topic)
    return [_risk(name, affected) for name, affected in found.items()] + ([_UNKNOWN] if unknown else [])


def topic_risks(config: Config, replicas: int, brokers: int) -> Iterator[str]:
    """Yield the names of the risks of one topic; with one broker, one replica is right."""
    retention = int(config["retention.ms"])
    if 0 <= retention < RETENTION_MS or int(config["retention.bytes"]) >= 0 or "compact" in config["cleanup.policy"]:
        yield "kafka-retention"
    if brokers > 1 and replicas == 1:
        yield "kafka-replication"
    # With two replicas, requiring both would stop publishing at each restart of a broker.
    if replicas >= REPLICAS_FOR_MIN_INSYNC and int(config["min.insync.replicas"]) < MIN_INSYNC_REPLICAS:
        yield "kafka-min-insync-replicas"
    if config["unclean.leader.election.enable"] == "true" and replicas > 1:
        yield "kafka-unclean-election"


def _risk(name: str, topics: Sequence[str]) -> Risk:
    names = ", ".join(topics[:_NAMED]) + (f" and {len(topics) - _NAMED} more topics" if len(topics) > _NAMED else "")
    return Risk(name, _REMEDIES[name].format(names), "warning" if name in _WARNINGS else "critical")


def _topic_configs(admin: AdminClient, topics: Sequence[str], deadline: float) -> dict[str, Config]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    return {one.name: config for one, config in _describe(admin, resources, deadline)}


def _broker_config(admin: AdminClient, cluster: ClusterMetadata, deadline: float) -> Config:
    broker = ConfigResource(ConfigResource.Type.BROKER, str(next(iter(cluster.brokers))))
    [(_, config)] = _describe(admin, [broker], deadline)
    return config


def _config_of_new(kafka: Kafka, broker: Config) -> tuple[int, Config]:
    """Return the replicas and the configuration of a topic that NextBuy would create."""
    replicas = kafka.replication or int(broker["default.replication.factor"])
    insync = MIN_INSYNC_REPLICAS if kafka.replication >= REPLICAS_FOR_MIN_INSYNC else broker["min.insync.replicas"]
    return replicas, {
        "retention.ms": str(RETENTION_MS),
        "retention.bytes": "-1",
        "cleanup.policy": "delete",
        "min.insync.replicas": str(insync),
        "unclean.leader.election.enable": broker["unclean.leader.election.enable"],
    }


def _describe(
    admin: AdminClient, resources: Sequence[ConfigResource], deadline: float
) -> Iterator[tuple[ConfigResource, Config]]:
    if not resources:
        return
    results = admin.describe_configs(list(resources), request_timeout=_remaining(deadline))
    for resource, result in results.items():
        yield resource, {name: entry.value for name, entry in result.result().items()}


def _descriptions(admin: AdminClient, topics: Sequence[str], deadline: float) -> dict[str, TopicDescription]:
    if not topics:
        return {}
    results = admin.describe_topics(
        TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=_remaining(deadline)
    )
    return {topic: result.result() for topic, result in results.items()}


def _remaining(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
