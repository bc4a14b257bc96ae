"""The bus on Apache Kafka: a topic per event type, partitioned by key; an envelope travels as a CloudEvent.

The asyncio client of librdkafka takes no headers, so this uses the plain one, with a thread for delivery reports.
**Order through failures:** messages that the cluster has not stored within `TIMEOUT` are withdrawn all at once,
together with their client, so none is stored after a lost one of its key. Likewise, no message expires by itself.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from nextbuy.contracts.status import Backlog
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import Header, position_header, to_binary
from nextbuy.kit.events.bus.interface import (
    BusMessage,
    BusUnavailable,
    MessageRejected,
    Risk,
    TopicEnd,
    TopicRefused,
)
from nextbuy.kit.events.bus.kafka_backlog import BacklogReader
from nextbuy.kit.events.bus.kafka_connection import (
    MAX_MESSAGE_BYTES,
    REFUSALS,
    TIMEOUT,
    OutageLog,
    Probe,
    client_settings,
    create_topics,
    refusal,
)
from nextbuy.kit.events.bus.kafka_marker import claim_prefix
from nextbuy.kit.events.bus.kafka_offsets import KafkaOffsets
from nextbuy.kit.events.bus.kafka_risks import kafka_risks
from nextbuy.kit.events.bus.kafka_subscription import KafkaSubscription

log: Final = logging.getLogger(__name__)

_TOPICS_TIMEOUT: Final = 3.5
"""Seconds to create missing topics before publishing; together with `TIMEOUT` it is less than the relay's timeout."""
_BACKLOG_TIMEOUT: Final = 0.7
"""Seconds to read a group's backlog: less than a part of a service's status may take."""
_CLOSE_TIMEOUT: Final = 1.0
"""Seconds to deliver what was handed over before; the outbox still has the rest."""
_POLL_TIMEOUT: Final = 0.5
"""Seconds that a poll for delivery reports blocks the thread, and so the delay until it notices a shutdown."""
_FULL_QUEUE_PAUSE: Final = 0.005
"""Seconds between attempts while the client's queue is full."""

_REJECTIONS: Final = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_RECORD}
)
"""Errors that the content of a message, or of the batch that it travelled in, causes."""

_SETTINGS: Final = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 0,
    "message.timeout.ms": 0,
    "message.max.bytes": MAX_MESSAGE_BYTES,
    "queue.buffering.max.kbytes": 8 * MAX_MESSAGE_BYTES // 1024,
}


class KafkaBus:
    """A bus on a Kafka that may be shared: the names of its topics and groups begin with `NEXTBUY_KAFKA_PREFIX`."""

    carrier = "Kafka"

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._outage_log = OutageLog("publishing")
        self._known_topics: set[str] = set()
        self._creating_topics = asyncio.Lock()
        self._sender: _Sender | None = None
        self._probe: Probe | None = None
        self._readers: dict[str, BacklogReader] = {}
        self._offsets: KafkaOffsets | None = None

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        """Store messages, in this order: of each key all of them or, on failure, only the first ones."""
        if not messages:
            return
        sender, topics = None, [self._prefix + message.topic for message in messages]
        pending = _PendingMessages(asyncio.get_running_loop(), topics)
        try:
            async with asyncio.timeout(_TOPICS_TIMEOUT):
                await self._create_topics(set(topics))
            async with asyncio.timeout(TIMEOUT):
                sender = self._current_sender()
                await sender.send(topics, messages, pending)
        except (TimeoutError, KafkaException) as error:
            if sender is not None:
                sender.abort()
            raise self._failure(error, len(messages), pending) from error
        self._outage_log.recovered()

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> KafkaSubscription:
        """Join a group; a batch has messages of one partition, which one member at a time reads."""
        return KafkaSubscription(self._kafka, group, topics, batch_size)

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return the offset after the last message of each partition."""
        return await asyncio.to_thread(self._open_offsets().ends, topics)

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Compare ends with the committed offsets of a group, and with the first messages that still exist."""
        return await asyncio.to_thread(self._open_offsets().has_passed, group, ends)

    def _open_offsets(self) -> KafkaOffsets:
        if self._offsets is None:
            self._offsets = KafkaOffsets(self._kafka)
        return self._offsets

    async def ping(self, timeout: float) -> None:
        """Check that the cluster answers within `timeout` seconds; if not, BusUnavailable says why."""
        if self._probe is None:
            self._probe = Probe(self._kafka)
        if reason := await asyncio.to_thread(self._probe.check, timeout):
            raise BusUnavailable(reason)

    async def backlogs(self, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
        """Return the backlog of each group, read over a connection per group."""
        for group in groups:
            if group not in self._readers:
                self._readers[group] = BacklogReader(self._kafka, group)
        reads = [
            asyncio.to_thread(self._readers[group].read, topics, _BACKLOG_TIMEOUT) for group, topics in groups.items()
        ]
        try:
            return dict(zip(groups, await asyncio.gather(*reads), strict=True))
        except KafkaException as error:
            reason = f"Kafka did not answer: {error!r}"
            raise BusUnavailable(reason) from error

    async def risks(self, topics: Sequence[str]) -> list[Risk]:
        """Return what may lose events of these topics, from the cluster's configuration."""
        try:
            return await asyncio.to_thread(kafka_risks, self._kafka, [self._prefix + topic for topic in topics])
        except KafkaException as error:
            raise BusUnavailable(f"Kafka does not report its state: {error!r}") from error

    async def claim_prefix(self, fingerprint: str) -> list[Risk]:
        """Compare the marker in a topic of its own with `fingerprint`; store it if it is missing."""
        try:
            return await asyncio.to_thread(claim_prefix, self._kafka, fingerprint)
        except KafkaException as error:
            raise BusUnavailable(f"Kafka does not return the marker: {error!r}") from error

    async def close(self) -> None:
        """Deliver what was handed over, within `_CLOSE_TIMEOUT`, and disconnect."""
        if self._sender is not None:
            await self._sender.close()
        for reader in self._readers.values():
            await asyncio.to_thread(reader.close)
        if self._offsets is not None:
            await asyncio.to_thread(self._offsets.close)

    def _failure(
        self, error: Exception, count: int, pending: "_PendingMessages"
    ) -> BusUnavailable | MessageRejected | TopicRefused:
        """Return the error of a batch: by the first failure or, when none was reported, by the topics that wait."""
        first, topic = pending.error, pending.failed_topic
        waiting = {name for name, number in pending.not_stored.items() if number}
        self._known_topics -= waiting  # If one was deleted, the next attempt creates it.
        if first is not None and first.code() in _REJECTIONS:
            return MessageRejected(f"Kafka rejects the message: {first.name()}, {first.str()}")
        if first is not None and first.code() in REFUSALS:
            return TopicRefused(refusal(first), {topic.removeprefix(self._prefix)})
        if waiting and isinstance(error, TimeoutError) and waiting < pending.not_stored.keys():
            reason = f"Kafka stored the other topics, but not this one within {TIMEOUT} s"
            return TopicRefused(reason, {name.removeprefix(self._prefix) for name in waiting})
        return BusUnavailable(f"Kafka did not store {count} messages: {error!r}")

    async def _create_topics(self, topics: set[str]) -> None:
        """Create missing topics; raise TopicRefused if the cluster does not allow some of them."""
        if topics <= self._known_topics:
            return
        async with self._creating_topics:
            if missing := topics - self._known_topics:
                refused = await asyncio.to_thread(create_topics, self._kafka, missing, self._outage_log)
                self._known_topics |= missing - refused.keys()
                if refused:
                    reason = refusal(next(iter(refused.values())))
                    raise TopicRefused(reason, {topic.removeprefix(self._prefix) for topic in refused})

    def _current_sender(self) -> "_Sender":
        if self._sender is None or self._sender.aborted:
            self._sender = _Sender(self._kafka, self._outage_log)
        return self._sender


class _Sender:
    """A producer, and the thread that polls its delivery reports."""

    def __init__(self, kafka: Kafka, outage_log: OutageLog) -> None:
        self._producer = Producer(client_settings(kafka, "relay", outage_log) | _SETTINGS)
        self.aborted = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll_reports, name="kafka-relay", daemon=True)
        self._thread.start()

    async def send(self, topics: Sequence[str], messages: Sequence[BusMessage], pending: "_PendingMessages") -> None:
        """Send messages to `topics` and wait until they are stored; raise KafkaException if one was not."""
        pending.on_failure = self.abort
        for topic, message in zip(topics, messages, strict=True):
            headers, value = to_binary(message.body)
            headers.append(position_header(message.position))
            while not self._produce(topic, message.key, headers, value, pending):  # noqa: ASYNC110  no callback for it
                await asyncio.sleep(_FULL_QUEUE_PAUSE)
        await pending.stored

    def _produce(self, topic: str, key: str, headers: list[Header], value: bytes, pending: "_PendingMessages") -> bool:
        """Hand a message to the client; return false if its queue is full."""
        if self.aborted:
            raise KafkaException(KafkaError(KafkaError._PURGE_QUEUE))  # noqa: SLF001
        try:
            self._producer.produce(topic, value, key=key.encode(), headers=headers, on_delivery=pending.on_report)
        except BufferError:
            return False
        except KafkaException as error:
            pending.fail(error.args[0], topic)
            raise
        return True

    def abort(self) -> None:
        """Withdraw all messages that are not stored, and stop sending."""
        if not self.aborted:
            self.aborted = True
            self._producer.purge(blocking=False)
            self._stopped.set()

    async def close(self) -> None:
        """Close when all messages are stored, or after `_CLOSE_TIMEOUT`."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT + _POLL_TIMEOUT)

    def _poll_reports(self) -> None:
        while not self._stopped.is_set():
            self._producer.poll(_POLL_TIMEOUT)
        self._producer.flush(_CLOSE_TIMEOUT)
        self._producer.purge()
        self._producer.poll(0)


class _PendingMessages:
    """Messages without a delivery report yet; `stored` completes when the cluster has reported on each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, topics: Sequence[str]) -> None:
        """Expect a report for a message of each of `topics`, by their names on the cluster."""
        self.stored: asyncio.Future[None] = loop.create_future()
        self.on_failure: Callable[[], None] = lambda: None
        self.error: KafkaError | None = None
        """The failure that was reported first."""
        self.failed_topic = ""
        self.not_stored = Counter(topics)
        """The number of messages that are not stored yet, of each topic that has some."""
        self._loop = loop
        self._remaining = len(topics)

    def on_report(self, error: KafkaError | None, message: Message) -> None:
        """Count the delivery report of one message; runs in the client's thread."""
        topic = message.topic() or ""
        if error is None:
            self.not_stored[topic] -= 1
        elif self.error is None:
            self.fail(error, topic)
        self._remaining -= 1
        if not self._remaining:
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._complete)

    def fail(self, error: KafkaError, topic: str) -> None:
        """Keep the first failure, and withdraw the other messages."""
        self.error, self.failed_topic = error, topic
        self.on_failure()

    def _complete(self) -> None:
        if self.stored.done():
            return
        if self.error is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(KafkaException(self.error))
