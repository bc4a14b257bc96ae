"""The backlog of a consumer group on Kafka, read without joining the group."""

import threading
import time
from collections.abc import Collection, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from nextbuy.contracts.status import Backlog
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings, remaining

_MAX_PARTITIONS: Final = 100
"""Partitions with a backlog, in which the oldest message is searched."""
_POLL_TIMEOUT: Final = 0.05
"""Seconds between checks whether each partition has yielded its oldest message."""

_SETTINGS: Final = {
    "enable.auto.commit": False,
    "allow.auto.create.topics": False,
    "auto.offset.reset": "earliest",
    # One message per partition is enough.
    "fetch.wait.max.ms": 20,
    "fetch.message.max.bytes": 16 * 1024,
    "queued.min.messages": 1,
}


class BacklogReader:
    """Reads the backlog of one group over a permanent connection."""

    def __init__(self, kafka: Kafka, group: str) -> None:
        """Prepare a client that logs no outage: the clients that publish and consume do."""
        settings = client_settings(kafka, "status", OutageLog("status")) | _SETTINGS
        self._consumer = Consumer(settings | {"group.id": kafka.prefix + group, "error_cb": lambda _error: None})
        self._prefix = kafka.prefix
        self._lock = threading.Lock()

    def read(self, topics: Collection[str], timeout: float) -> Backlog:
        """Block until the backlog over these topics is known.

        Raises:
            KafkaException: the cluster did not answer within `timeout` seconds, or another thread is reading.
        """
        deadline = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001  the library names its errors so
        try:
            behind, waiting = self._lagging({self._prefix + topic for topic in topics}, deadline)
            oldest = self._oldest(behind[:_MAX_PARTITIONS], deadline) if behind else None
        finally:
            self._lock.release()
        age = None if oldest is None else round(max(0.0, time.time() - oldest), 3)
        return Backlog(waiting, age)

    def close(self) -> None:
        """Disconnect, once a read in progress has ended."""
        with self._lock:
            self._consumer.close()

    def _lagging(self, names: Collection[str], deadline: float) -> tuple[list[TopicPartition], int]:
        """Return the first unacknowledged offset of each partition with a backlog, and the number of such messages."""
        known = self._consumer.list_topics(timeout=remaining(deadline)).topics.items()
        places = [(name, number) for name, topic in known if name in names for number in topic.partitions]
        if not places:
            return [], 0
        committed = self._consumer.committed([TopicPartition(*one) for one in places], timeout=remaining(deadline))
        starts, ends = (
            self._consumer.offsets_for_times([TopicPartition(*one, at) for one in places], timeout=remaining(deadline))
            for at in (OFFSET_BEGINNING, OFFSET_END)
        )
        behind: list[TopicPartition] = []
        waiting = 0
        for place, acknowledged, start, end in zip(places, committed, starts, ends, strict=True):
            offset = max(acknowledged.offset, start.offset)
            if end.offset > offset:
                behind.append(TopicPartition(*place, offset))
                waiting += end.offset - offset
        return behind, waiting

    def _oldest(self, offsets: Sequence[TopicPartition], deadline: float) -> float | None:
        """Return when the oldest of the messages at these offsets was published, in seconds since the epoch."""
        seen: dict[tuple[str, int], float] = {}
        self._consumer.assign(list(offsets))
        try:
            while len(seen) < len(offsets) and time.monotonic() < deadline:
                for message in self._consumer.consume(len(offsets), _POLL_TIMEOUT):
                    if message.error() is None:
                        place = message.topic() or "", message.partition() or 0
                        seen.setdefault(place, message.timestamp()[1] / 1000)
        finally:
            self._consumer.unassign()
        return min(seen.values(), default=None)
