"""The ends of Kafka topics, and the offsets that a consumer group has committed. All methods block.

They use consumers that join no group, because the admin client crashed the process when it was deleted after a request
for offsets.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus import kafka_connection
from nextbuy.kit.events.bus.interface import BusUnavailable, TopicEnd
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings

_NO_GROUP: Final = "offsets"
"""Name of a consumer group without members or committed offsets."""
_TopicPartition = tuple[str, int]
"""A topic, by its name on the cluster, and a partition."""


class KafkaOffsets:
    """Reads offsets over permanent connections; the clients that publish and consume report an outage."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._readers: dict[str, Consumer] = {}

    def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return, by partition, the offset after the last message; a topic that does not exist has no partition."""
        ends: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for (name, partition), offset in self._read(self._end_offsets, topics).items():
            ends[name.removeprefix(self._prefix)][partition] = offset
        return dict(ends)

    def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return whether the group has committed each end, or nothing before it exists any more."""
        wanted = {(self._prefix + topic, partition) for topic, end in ends for partition in end}
        reached = self._read(self._reached, group, wanted) if wanted else {}
        return [
            all(reached.get((self._prefix + topic, partition), offset) >= offset for partition, offset in end.items())
            for topic, end in ends
        ]

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _read(self, read: Callable[..., dict[_TopicPartition, int]], *arguments: object) -> dict[_TopicPartition, int]:
        try:
            return read(*arguments)
        except KafkaException as error:
            message = f"Kafka did not return offsets: {error!r}"
            raise BusUnavailable(message) from error

    def _reader(self, group: str) -> Consumer:
        if group not in self._readers:
            settings = client_settings(self._kafka, _NO_GROUP, OutageLog("the comparison"))
            own = {"group.id": self._prefix + group, "enable.auto.commit": False, "allow.auto.create.topics": False}
            self._readers[group] = Consumer(settings | own)
        return self._readers[group]

    def _existing(self, reader: Consumer, names: Collection[str]) -> list[_TopicPartition]:
        known = reader.list_topics(timeout=kafka_connection.TIMEOUT).topics
        return [(name, partition) for name in names if name in known for partition in known[name].partitions]

    def _end_offsets(self, topics: Collection[str]) -> dict[_TopicPartition, int]:
        reader = self._reader(_NO_GROUP)
        return _offsets(reader, self._existing(reader, [self._prefix + topic for topic in topics]), OFFSET_END)

    def _reached(self, group: str, wanted: Collection[_TopicPartition]) -> dict[_TopicPartition, int]:
        """Return by partition the offset of the next message for the group."""
        reader = self._reader(group)
        existing = [place for place in self._existing(reader, {name for name, _ in wanted}) if place in wanted]
        if not existing:
            return {}
        committed = reader.committed([TopicPartition(*place) for place in existing], timeout=kafka_connection.TIMEOUT)
        by_place = {(at.topic, at.partition): at.offset for at in committed}
        first = _offsets(reader, existing, OFFSET_BEGINNING)
        # A group without an offset, or with one that was deleted, continues with the first message.
        return {place: max(by_place.get(place, 0), first[place]) for place in existing}


def _offsets(reader: Consumer, places: Sequence[_TopicPartition], which: int) -> dict[_TopicPartition, int]:
    if not places:
        return {}
    wanted = [TopicPartition(*place, which) for place in places]
    found = reader.offsets_for_times(wanted, timeout=kafka_connection.TIMEOUT)
    for at in found:
        if at.error is not None:
            raise KafkaException(at.error)
    return {(at.topic, at.partition): at.offset for at in found}
