"""The ends of Kafka topics, and the offsets that a consumer group has committed. All methods block."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus import kafka_connection
from nextbuy.kit.events.bus.interface import BusUnavailable, TopicEnd
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings

_Place = tuple[str, int]
"""A topic, by its name on the cluster, and a partition."""
_LATEST: Final[Callable[[], OffsetSpec]] = OffsetSpec.latest
_EARLIEST: Final[Callable[[], OffsetSpec]] = OffsetSpec.earliest


class KafkaOffsets:
    """Reads offsets over a separate permanent connection; the clients that publish and consume report an outage."""

    def __init__(self, kafka: Kafka) -> None:
        self._prefix = kafka.prefix
        self._admin = AdminClient(client_settings(kafka, "offsets", OutageLog("the comparison")))

    def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return by partition the offset behind the last message; a topic that does not exist has no partition."""
        ends: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for (name, partition), offset in self._read(self._end_offsets, topics).items():
            ends[name.removeprefix(self._prefix)][partition] = offset
        return dict(ends)

    def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return whether the group has committed each end, or nothing before it exists any more."""
        places = {(self._prefix + topic, partition) for topic, end in ends for partition in end}
        reached = self._read(self._reached, group, places) if places else {}
        return [
            all(reached.get((self._prefix + topic, partition), offset) >= offset for partition, offset in end.items())
            for topic, end in ends
        ]

    def _read(self, read: Callable[..., dict[_Place, int]], *arguments: object) -> dict[_Place, int]:
        try:
            return read(*arguments)
        except KafkaException as error:
            message = f"Kafka did not return offsets: {error!r}"
            raise BusUnavailable(message) from error

    def _places(self, names: Collection[str]) -> list[_Place]:
        known = self._admin.list_topics(timeout=kafka_connection.TIMEOUT).topics
        return [(name, partition) for name in names if name in known for partition in known[name].partitions]

    def _end_offsets(self, topics: Collection[str]) -> dict[_Place, int]:
        return self._list_offsets(self._places([self._prefix + topic for topic in topics]), _LATEST())

    def _reached(self, group: str, places: Collection[_Place]) -> dict[_Place, int]:
        """Return by partition the offset of the next message that the group will get."""
        existing = sorted({*self._places({name for name, _ in places})} & {*places})
        if not existing:
            return {}
        asked = [TopicPartition(*place) for place in existing]
        request = ConsumerGroupTopicPartitions(self._prefix + group, asked)
        [answer] = self._admin.list_consumer_group_offsets([request], request_timeout=kafka_connection.TIMEOUT).values()
        first = self._list_offsets(existing, _EARLIEST())
        committed: Any = answer.result()
        by_place = {(at.topic, at.partition): at.offset for at in committed.topic_partitions}
        # A group without an offset, or with one that was deleted, continues with the first message.
        return {place: max(by_place.get(place, 0), first[place]) for place in existing}

    def _list_offsets(self, places: Sequence[_Place], spec: OffsetSpec) -> dict[_Place, int]:
        if not places:
            return {}
        asked = {TopicPartition(*place): spec for place in places}
        answers = self._admin.list_offsets(asked, request_timeout=kafka_connection.TIMEOUT)
        return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}
