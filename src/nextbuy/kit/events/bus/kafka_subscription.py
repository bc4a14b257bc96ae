"""A member of a Kafka consumer group: a thread polls, the event loop yields one batch of a partition at a time.

- **Only the thread calls the library**, which holds a lock while it waits: a second caller would wait too.
- Memory is bounded: a partition whose batch takes long is paused, and the others continue.
- Acknowledged offsets are stored in the library, which commits them. The rest of a partial batch is yielded again.
- A revoked partition yields no further batch; its batch in progress has `_DRAIN_TIMEOUT` seconds to finish.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import from_binary, position_in
from nextbuy.kit.events.bus.interface import MAX_BATCH_BYTES, Batch, BusUnavailable, Delivery
from nextbuy.kit.events.bus.kafka_connection import MAX_MESSAGE_BYTES, OutageLog, client_settings, create_topics

log: Final = logging.getLogger(__name__)

_DRAIN_TIMEOUT: Final = 3.0
"""Seconds that a batch in progress may take when its partition is revoked; less than `session.timeout.ms`."""
_CLOSE_TIMEOUT: Final = 2.0
"""Seconds that the thread may take to leave the group."""
_POLL_TIMEOUT: Final = 0.1
"""Seconds that a poll blocks, and so the delay until the thread notices an acknowledgement or a shutdown."""
_FULL_QUEUE_PAUSE: Final = 0.05
"""Seconds that polling waits for a full partition to be read before it pauses the partition."""
_TOPICS_RETRY_PAUSE: Final = 1.0
"""Seconds between attempts to create topics."""
_MAX_QUEUED_BATCHES: Final = 2
"""Batches per partition queued here, roughly, besides the one in progress: enough to keep a quick handler busy."""
_MAX_QUEUED_BYTES: Final = 2 * MAX_MESSAGE_BYTES

_SETTINGS: Final = {
    "auto.offset.reset": "earliest",
    "enable.auto.offset.store": False,  # `acknowledge` stores them.
    "enable.auto.commit": True,
    "auto.commit.interval.ms": 200,
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
    "topic.metadata.refresh.interval.ms": 10_000,
    "allow.auto.create.topics": False,
    # The cluster answers at once if there are messages. This is how long a new or resumed partition waits for the
    # previous request to end.
    "fetch.wait.max.ms": 50,
    "fetch.max.bytes": MAX_MESSAGE_BYTES,
    "fetch.queue.backoff.ms": 10,
    "fetch.error.backoff.ms": 100,
    "queued.min.messages": 2000,
    "queued.max.messages.kbytes": MAX_MESSAGE_BYTES // 1024,
}


class _Entry(NamedTuple):
    offset: int
    epoch: int | None
    delivery: Delivery


class PartitionState:
    """The state of one partition. The thread fills `queue` and the loop empties it; the rest belongs to the loop."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.queue: deque[_Entry] = deque()
        self.unacknowledged: list[_Entry] = []
        """The rest of a batch that was acknowledged in part."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.ready = False
        self.draining = False
        self.revoked = False
        self.paused = False  # Belongs to the thread.


class _KafkaBatch:
    """Deliveries of one partition; its next batch is yielded only after `acknowledge`, whatever its count."""

    def __init__(
        self, subscription: "KafkaSubscription", state: PartitionState, topic: str, entries: list[_Entry]
    ) -> None:
        self.topic = topic
        self.deliveries: Sequence[Delivery] = [entry.delivery for entry in entries]
        self._subscription = subscription
        self._state = state
        self._entries = entries

    async def acknowledge(self, count: int | None = None) -> None:
        done = self._entries[:count]
        state = self._state
        state.unacknowledged = self._entries[len(done) :]
        try:
            if done:
                self._subscription.acknowledge(state, done[-1])
        finally:
            state.idle.set()
            self._subscription.mark_ready([state])


class KafkaSubscription:
    """A member of a consumer group."""

    def __init__(self, kafka: Kafka, group: str, topics: Sequence[str], batch_size: int) -> None:
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._group = group
        self._topics = [kafka.prefix + topic for topic in topics]
        self._batch_size = batch_size
        self._outage_log = OutageLog(f"group {group}")
        # The partitions that are assigned to us; belongs to the thread.
        self._partitions: dict[tuple[str, int], PartitionState] = {}
        self._ready: deque[PartitionState] = deque()
        self._wakeup = asyncio.Event()
        self._space = threading.Event()
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        # Bytes added to queues, counted by the thread, and bytes taken from them, counted by the loop.
        self._bytes_in = self._bytes_out = 0
        self._acknowledged: deque[tuple[PartitionState, _Entry]] = deque()
        self._thread: threading.Thread | None = None

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield batches without end, at most one of each partition at a time; wait while the cluster is unavailable."""
        if self._thread is None:
            loop = asyncio.get_running_loop()
            settings = client_settings(self._kafka, self._group, self._outage_log) | _SETTINGS
            consumer = Consumer(settings | {"group.id": self._prefix + self._group})
            self._thread = threading.Thread(
                target=self._run, args=(consumer, loop), name=f"kafka-{self._group}", daemon=True
            )
            self._thread.start()
        while not self._closing.is_set():
            self._wakeup.clear()
            while self._ready:
                state = self._ready.popleft()
                state.ready = False
                if (batch := self._next_batch(state)) is not None:
                    yield batch
            if self._failure is not None:
                raise self._failure
            if not self._ready:
                await self._wakeup.wait()

    async def close(self) -> None:
        """Leave the group at once, so that another member takes over."""
        self._closing.set()
        self._space.set()
        self._wakeup.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT)

    def acknowledge(self, state: PartitionState, last: _Entry) -> None:
        """Acknowledge a partition up to an entry; raise BusUnavailable if the partition was revoked."""
        if state.revoked:
            reason = f"partition {state.partition} of {state.topic} was revoked; its messages are delivered again"
            raise BusUnavailable(reason)
        self._acknowledged.append((state, last))

    def mark_ready(self, states: Iterable[PartitionState]) -> None:
        """Have `batches` yield messages of these partitions."""
        for state in states:
            if not state.ready and (state.unacknowledged or state.queue):
                state.ready = True
                self._ready.append(state)
        self._wakeup.set()

    def _next_batch(self, state: PartitionState) -> _KafkaBatch | None:
        if state.draining or not state.idle.is_set():
            return None
        entries, state.unacknowledged = state.unacknowledged, []
        size = 0
        if not entries:
            while state.queue and len(entries) < self._batch_size and size < MAX_BATCH_BYTES:
                entries.append(state.queue.popleft())
                size += len(entries[-1].delivery.body)
        if not entries:
            return None
        self._bytes_out += size
        self._space.set()
        state.idle.clear()
        return _KafkaBatch(self, state, state.topic.removeprefix(self._prefix), entries)

    async def _drain(self, states: list[PartitionState], timeout: float) -> None:
        """Stop yielding batches of partitions, and wait for their batches in progress."""
        for state in states:
            state.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for state in states:
                    await state.idle.wait()
        for state in states:
            state.revoked = True
            self._bytes_out += sum(len(entry.delivery.body) for entry in state.queue)
            state.queue.clear()
            state.unacknowledged.clear()

    # The methods below run in the thread.

    def _run(self, consumer: Consumer, loop: asyncio.AbstractEventLoop) -> None:
        def on_assign(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            for new in partitions:
                self._partitions[new.topic, new.partition] = PartitionState(new.topic, new.partition)

        def on_revoke(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._revoke(consumer, loop, partitions, 0.0 if self._closing.is_set() else _DRAIN_TIMEOUT)

        def on_lost(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._revoke(consumer, loop, partitions, 0.0)

        try:
            self._create_topics()
            consumer.subscribe(self._topics, on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)
            while not self._closing.is_set():
                self._store_offsets(consumer)
                self._apply_backpressure(consumer)
                self._poll(consumer, loop)
        except Exception as error:
            if not loop.is_closed():
                log.debug("consumer of group %s failed; its subscription raises the error", self._group, exc_info=error)
                self._failure = error
                loop.call_soon_threadsafe(self._wakeup.set)
        finally:
            self._store_offsets(consumer)
            consumer.close()

    def _create_topics(self) -> None:
        while not self._closing.is_set():
            try:
                refused = create_topics(self._kafka, self._topics, self._outage_log)
            except KafkaException:
                self._closing.wait(_TOPICS_RETRY_PAUSE)
                continue
            if not refused:
                return
            for error in refused.values():
                self._outage_log.report(error)
            self._closing.wait(_TOPICS_RETRY_PAUSE)

    def _revoke(
        self, consumer: Consumer, loop: asyncio.AbstractEventLoop, partitions: list[TopicPartition], timeout: float
    ) -> None:
        states = [
            state for old in partitions if (state := self._partitions.pop((old.topic, old.partition), None)) is not None
        ]
        # Otherwise the partition would stay paused when it is assigned to this process again.
        self._resume(consumer, [state for state in states if state.paused])
        draining = self._drain(states, timeout)
        try:
            asyncio.run_coroutine_threadsafe(draining, loop).result(timeout + _CLOSE_TIMEOUT)
        except (RuntimeError, TimeoutError) as error:  # the loop is closed or stuck: messages are delivered again
            draining.close()
            log.debug("partitions of group %s not drained; messages are delivered again: %r", self._group, error)
        self._store_offsets(consumer)

    def _store_offsets(self, consumer: Consumer) -> None:
        """Pass acknowledged offsets to the library, which cannot be called while it waits for messages."""
        offsets: dict[tuple[str, int], _Entry] = {}
        while self._acknowledged:
            state, last = self._acknowledged.popleft()
            offsets[state.topic, state.partition] = last
        if offsets:
            ends = [TopicPartition(*key, last.offset + 1, leader_epoch=last.epoch) for key, last in offsets.items()]
            try:
                consumer.store_offsets(offsets=ends)
            except KafkaException as error:
                log.debug("offsets of group %s not stored, some revoked; delivered again: %r", self._group, error)

    def _apply_backpressure(self, consumer: Consumer) -> None:
        """Wait a moment if a queue is full, then pause the partitions that stay full; resume those with space."""
        over_bytes = self._over_bytes()
        self._resume(
            consumer,
            [s for s in self._partitions.values() if s.paused and len(s.queue) <= self._batch_size and not over_bytes],
        )
        if not self._full_partitions():
            return
        self._space.clear()
        if self._full_partitions():
            self._space.wait(_FULL_QUEUE_PAUSE)
        full = self._full_partitions()
        for state in full:
            state.paused = True
        if full:
            consumer.pause([TopicPartition(state.topic, state.partition) for state in full])

    def _full_partitions(self) -> list[PartitionState]:
        limit = 0 if self._over_bytes() else _MAX_QUEUED_BATCHES * self._batch_size
        return [state for state in self._partitions.values() if not state.paused and len(state.queue) > limit]

    def _over_bytes(self) -> bool:
        return self._bytes_in - self._bytes_out > _MAX_QUEUED_BYTES

    def _resume(self, consumer: Consumer, states: list[PartitionState]) -> None:
        for state in states:
            state.paused = False
        if states:
            consumer.resume([TopicPartition(state.topic, state.partition) for state in states])

    def _poll(self, consumer: Consumer, loop: asyncio.AbstractEventLoop) -> None:
        # `consume` alone would wait until it has the full number of messages.
        first = consumer.poll(_POLL_TIMEOUT)
        if first is None:
            return
        # The first is queued before `consume` is called, which may revoke its partition.
        filled = self._enqueue([first]) | self._enqueue(consumer.consume(self._batch_size, 0))
        if filled:
            self._outage_log.recovered()
            loop.call_soon_threadsafe(self.mark_ready, filled)

    def _enqueue(self, messages: list[Message]) -> set[PartitionState]:
        """Queue messages by partition, and return the partitions."""
        filled: set[PartitionState] = set()
        for message in messages:
            if (error := message.error()) is not None:
                self._handle_error(error)
            elif (state := self._partitions.get((message.topic() or "", message.partition() or 0))) is not None:
                self._add(state, message)
                filled.add(state)
        return filled

    def _add(self, state: PartitionState, message: Message) -> None:
        topic, partition, offset = state.topic, state.partition, message.offset() or 0
        raw_headers = message.headers() or []
        headers = list(raw_headers.items() if isinstance(raw_headers, dict) else raw_headers)
        body = from_binary(headers, message.value() or b"")
        delivery = Delivery(topic.removeprefix(self._prefix), f"{partition}/{offset}", body, position_in(headers))
        state.queue.append(_Entry(offset, message.leader_epoch(), delivery))
        self._bytes_in += len(body)

    def _handle_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        self._outage_log.report(error)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._create_topics()
