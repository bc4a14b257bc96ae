"""The marker of the marketplace that owns a prefix on Kafka: the first record of the topic `<prefix>marketplace`.

A marketplace that finds no record appends its fingerprint, and reads the first one. The order of the only partition
decides between two that start at once, and its records do not expire. No event is published there.
"""

import time
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from msgspec.structs import replace

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Risk
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings, create_topics, refusal, remaining

_TIMEOUT: Final = 4.0
"""Seconds for all requests of one claim."""
_ACTIVITY: Final = "the check"
_FOREVER: Final = -1
_PARTITION: Final = 0

_READER: Final = {
    "enable.auto.commit": False,
    "allow.auto.create.topics": False,
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 20,
}


def claim_prefix(kafka: Kafka, fingerprint: str) -> list[Risk]:
    """Store the marker unless one exists; return a risk if it is another marketplace's, or access to it is refused.

    Raises:
        KafkaException: the cluster does not answer.
    """
    topic = f"{kafka.prefix}marketplace"
    deadline = time.monotonic() + _TIMEOUT
    # It joins no group, so it needs no right on one.
    reader = Consumer(_settings(kafka) | _READER | {"group.id": topic})
    right = "READ"
    try:
        if not _exists(reader, topic, deadline):
            right = "CREATE"
            _create(kafka, topic)
            right = "READ"
        marker = _first_record(reader, topic, deadline)
        if marker is None:
            right = "WRITE"
            _append(kafka, topic, fingerprint.encode(), deadline)
            marker = _first_record(reader, topic, deadline)
    except KafkaException as error:
        reason = error.args[0]
        if reason.code() < 0:  # the library's own codes: there was no answer
            raise
        return [_unknown(topic, right, reason)]
    finally:
        reader.close()
    return [] if marker in {None, fingerprint.encode()} else [_foreign(kafka.prefix, topic)]


def _settings(kafka: Kafka) -> dict[str, Any]:
    """Return the settings of a client that logs no outage: the clients that publish and consume do."""
    return client_settings(kafka, "marker", OutageLog(_ACTIVITY)) | {"error_cb": lambda _error: None}


def _exists(reader: Consumer, topic: str, deadline: float) -> bool:
    error = reader.list_topics(topic, timeout=remaining(deadline)).topics[topic].error
    if error is not None and error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise KafkaException(error)
    return error is None


def _create(kafka: Kafka, topic: str) -> None:
    one_partition = replace(kafka, partitions=1)
    for error in create_topics(one_partition, [topic], OutageLog(_ACTIVITY), retention_ms=_FOREVER).values():
        raise KafkaException(error)


def _first_record(reader: Consumer, topic: str, deadline: float) -> bytes | None:
    reader.assign([TopicPartition(topic, _PARTITION, OFFSET_BEGINNING)])
    while True:
        message = reader.poll(remaining(deadline))
        error = message.error() if message is not None else None
        if message is not None and error is None:
            return message.value() or b""
        if error is None or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            continue  # the library asks for the coordinator of every consumer's group
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library names its own errors so
            return None
        raise KafkaException(error)


def _append(kafka: Kafka, topic: str, value: bytes, deadline: float) -> None:
    reports: list[KafkaError | None] = []
    producer = Producer(_settings(kafka) | {"acks": "all"})
    producer.produce(topic, value, partition=_PARTITION, on_delivery=lambda error, _message: reports.append(error))
    producer.flush(remaining(deadline))
    error = reports[0] if reports else KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
    if error is not None:
        raise KafkaException(error)


def _foreign(prefix: str, topic: str) -> Risk:
    return Risk(
        "kafka-prefix",
        f"Another marketplace, or one with another NEXTBUY_SECRET, uses the topics {prefix}… on Kafka. Set "
        "NEXTBUY_KAFKA_PREFIX to a prefix that no other marketplace has or, if you have changed the secret, delete the "
        f"topic {topic}.",
    )


def _unknown(topic: str, right: str, error: KafkaError) -> Risk:
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        reason = f"Kafka denies {right} on the topic {topic}. Grant READ, WRITE and, unless the topic exists, CREATE."
    else:
        reason = f"{topic}: {refusal(error)}"
    problem = f"Another marketplace with the same NEXTBUY_KAFKA_PREFIX would not be noticed. {reason}"
    return Risk("kafka-prefix-unknown", problem, "unknown")
