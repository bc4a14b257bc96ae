"""A place in a consumer group of Kafka: a thread pulls, the event loop hands out, one batch of a partition at a time.

- **Memory** is bounded by what waits here for each partition and altogether. A partition whose batch takes long is
  paused; those beside it go on. What the library fetches ahead is bounded by its own settings.
- **The thread alone speaks to the library**, which locks itself while it waits: another that called it would wait too.
- **Acknowledged** offsets are told to the library, and by it to the cluster together, a few times a second, and before
  it gives a partition up. Of a batch of which only a beginning is acknowledged the rest comes again from here, first.
- **Handing over**: partitions move one by one while the others are worked on. One that is to go is handed out no more;
  the batch in hand has `_HAND_OVER` seconds to be acknowledged, and then the partition is let go. The library may ask
  for it between two messages that it gives; what it has given already of such a partition is the successor's.
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
from nextbuy.kit.events.bus.cloud_event import from_binary
from nextbuy.kit.events.bus.interface import MAX_BATCH_BYTES, Batch, BusUnavailable, Delivery
from nextbuy.kit.events.bus.kafka_connection import MOST_BYTES, Trouble, client, make_topics

log: Final = logging.getLogger(__name__)

_HAND_OVER: Final = 3.0
"""Seconds that a batch in hand may take when its partition is to go."""
_CLOSE_TIMEOUT: Final = 2.0
_POLL: Final = 0.1
_STALL: Final = 0.05
"""Seconds that pulling waits for a partition that is full before it pauses it."""
_AGAIN: Final = 1.0
"""Seconds between tries to make topics."""
_MOST_WAITING: Final = 2
"""Batches of a partition that wait here, about, beside the one in hand."""
_MOST_BYTES_WAITING: Final = 2 * MOST_BYTES

_SETTINGS: Final = {
    "auto.offset.reset": "earliest",
    "enable.auto.offset.store": False,  # `acknowledge` does.
    "enable.auto.commit": True,
    "auto.commit.interval.ms": 200,
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
    "topic.metadata.refresh.interval.ms": 10_000,
    "allow.auto.create.topics": False,
    # The cluster answers at once when there is something. This is only how long a partition that comes new, or is
    # resumed, waits for the question before it to end.
    "fetch.wait.max.ms": 50,
    "fetch.max.bytes": MOST_BYTES,
    "fetch.queue.backoff.ms": 10,
    "fetch.error.backoff.ms": 100,
    "queued.min.messages": 2000,
    "queued.max.messages.kbytes": MOST_BYTES // 1024,
}


class _Entry(NamedTuple):
    offset: int
    epoch: int | None
    delivery: Delivery


class _Place:
    """One partition of a topic. `waiting` is filled by the thread and emptied by the loop; the rest is the loop's."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[_Entry] = deque()
        self.left: list[_Entry] = []
        """What was handed out before and not acknowledged."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.listed = False
        self.going = False
        self.gone = False
        self.paused = False  # The thread's.


class _KafkaBatch:
    """Deliveries of one partition; the next of it are given only after `acknowledge`, with however small a count."""

    def __init__(self, subscription: "KafkaSubscription", place: _Place, topic: str, entries: list[_Entry]) -> None:
        self.topic = topic
        self.deliveries: Sequence[Delivery] = [entry.delivery for entry in entries]
        self._subscription = subscription
        self._place = place
        self._entries = entries

    async def acknowledge(self, count: int | None = None) -> None:
        done = self._entries[:count]
        place = self._place
        place.left = self._entries[len(done) :]
        try:
            if done:
                self._subscription.note(place, done[-1])
        finally:
            place.idle.set()
            self._subscription.look_at([place])


class KafkaSubscription:
    """A place in a group."""

    def __init__(self, kafka: Kafka, group: str, topics: Sequence[str], most: int) -> None:
        """Prepare; nothing is said to the cluster before `batches`."""
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._group = group
        self._topics = [kafka.prefix + topic for topic in topics]
        self._most = most
        self._trouble = Trouble(f"group {group}")
        # The partitions that are ours, each from when it is given to when it is asked for; the thread's.
        self._places: dict[tuple[str, int], _Place] = {}
        self._listed: deque[_Place] = deque()
        self._stirred = asyncio.Event()
        self._room = threading.Event()
        self._closing = threading.Event()
        self._failure: BaseException | None = None
        # Bytes that have come to wait, counted by the thread, and that wait no more, counted by the loop.
        self._bytes_in = self._bytes_out = 0
        self._noted: deque[tuple[_Place, _Entry]] = deque()
        self._thread: threading.Thread | None = None

    async def batches(self) -> AsyncIterator[Batch]:
        """Give batches for ever, at most one of each partition at a time; a cluster that is away is waited for."""
        if self._thread is None:
            loop = asyncio.get_running_loop()
            consumer = Consumer(
                client(self._kafka, self._group, self._trouble) | _SETTINGS | {"group.id": self._prefix + self._group}
            )
            self._thread = threading.Thread(
                target=self._run, args=(consumer, loop), name=f"kafka-{self._group}", daemon=True
            )
            self._thread.start()
        while not self._closing.is_set():
            self._stirred.clear()
            while self._listed:
                place = self._listed.popleft()
                place.listed = False
                if (batch := self._next(place)) is not None:
                    yield batch
            if self._failure is not None:
                raise self._failure
            if not self._listed:
                await self._stirred.wait()

    async def close(self) -> None:
        """Give the partitions back at once, so that another consumer takes over."""
        self._closing.set()
        self._room.set()
        self._stirred.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT)

    def note(self, place: _Place, last: _Entry) -> None:
        """Note that a partition is done with up to an event.

        Raises:
            BusUnavailable: the partition is another's by now.
        """
        if place.gone:
            message = f"Partition {place.partition} of {place.topic} has been handed over; what was done comes again."
            raise BusUnavailable(message)
        self._noted.append((place, last))

    def look_at(self, places: Iterable[_Place]) -> None:
        """Say that there may be something to hand out."""
        for place in places:
            if not place.listed and (place.left or place.waiting):
                place.listed = True
                self._listed.append(place)
        self._stirred.set()

    def _next(self, place: _Place) -> _KafkaBatch | None:
        if place.going or not place.idle.is_set():
            return None
        entries, place.left = place.left, []
        size = 0
        if not entries:
            while place.waiting and len(entries) < self._most and size < MAX_BATCH_BYTES:
                entries.append(place.waiting.popleft())
                size += len(entries[-1].delivery.body)
        if not entries:
            return None
        self._bytes_out += size
        self._room.set()
        place.idle.clear()
        return _KafkaBatch(self, place, place.topic.removeprefix(self._prefix), entries)

    async def _let_go(self, places: list[_Place], seconds: float) -> None:
        """Hand out nothing more of partitions, and wait for what is in hand of them."""
        for place in places:
            place.going = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for place in places:
                    await place.idle.wait()
        for place in places:
            place.gone = True
            self._bytes_out += sum(len(entry.delivery.body) for entry in place.waiting)
            place.waiting.clear()
            place.left.clear()

    # What follows is the thread's.

    def _run(self, consumer: Consumer, loop: asyncio.AbstractEventLoop) -> None:
        def assigned(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            for at in partitions:
                self._places[at.topic, at.partition] = _Place(at.topic, at.partition)

        def revoked(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._revoked(consumer, loop, partitions, 0.0 if self._closing.is_set() else _HAND_OVER)

        def lost(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._revoked(consumer, loop, partitions, 0.0)

        try:
            self._make_topics()
            consumer.subscribe(self._topics, on_assign=assigned, on_revoke=revoked, on_lost=lost)
            while not self._closing.is_set():
                self._store(consumer)
                self._hold_back(consumer)
                self._pull(consumer, loop)
        except Exception as error:
            if not loop.is_closed():
                log.debug("The consumer of %s ends.", self._group, exc_info=error)
                self._failure = error
                loop.call_soon_threadsafe(self._stirred.set)
        finally:
            self._store(consumer)
            consumer.close()

    def _make_topics(self) -> None:
        while not self._closing.is_set():
            try:
                make_topics(self._kafka, self._topics, self._trouble)
            except KafkaException:
                self._closing.wait(_AGAIN)
            else:
                return

    def _revoked(
        self, consumer: Consumer, loop: asyncio.AbstractEventLoop, partitions: list[TopicPartition], seconds: float
    ) -> None:
        places = [place for at in partitions if (place := self._places.pop((at.topic, at.partition), None)) is not None]
        # A partition would stay paused for whoever has it next in this process.
        self._resume(consumer, [place for place in places if place.paused])
        letting_go = self._let_go(places, seconds)
        try:
            asyncio.run_coroutine_threadsafe(letting_go, loop).result(seconds + _CLOSE_TIMEOUT)
        except (RuntimeError, TimeoutError) as error:  # the loop is closed, or stuck: then they come again elsewhere
            letting_go.close()
            log.debug("Partitions of %s go without waiting: %r", self._group, error)
        self._store(consumer)

    def _store(self, consumer: Consumer) -> None:
        """Tell the library what is done with; while it waits for events it can be told nothing."""
        done: dict[tuple[str, int], _Entry] = {}
        while self._noted:
            place, last = self._noted.popleft()
            done[place.topic, place.partition] = last
        if done:
            at = [TopicPartition(*key, last.offset + 1, leader_epoch=last.epoch) for key, last in done.items()]
            try:
                consumer.store_offsets(offsets=at)
            except KafkaException as error:
                log.debug("Some partitions of %s were handed over meanwhile: %r", self._group, error)

    def _hold_back(self, consumer: Consumer) -> None:
        """Wait a moment where more waits here than may, and pause what keeps it so."""
        self._resume(
            consumer,
            [p for p in self._places.values() if p.paused and len(p.waiting) <= self._most and not self._is_heavy()],
        )
        if not self._full():
            return
        self._room.clear()
        if self._full():
            self._room.wait(_STALL)
        full = self._full()
        for place in full:
            place.paused = True
        if full:
            consumer.pause([TopicPartition(place.topic, place.partition) for place in full])

    def _full(self) -> list[_Place]:
        most = 0 if self._is_heavy() else _MOST_WAITING * self._most
        return [place for place in self._places.values() if not place.paused and len(place.waiting) > most]

    def _is_heavy(self) -> bool:
        return self._bytes_in - self._bytes_out > _MOST_BYTES_WAITING

    def _resume(self, consumer: Consumer, places: list[_Place]) -> None:
        for place in places:
            place.paused = False
        if places:
            consumer.resume([TopicPartition(place.topic, place.partition) for place in places])

    def _pull(self, consumer: Consumer, loop: asyncio.AbstractEventLoop) -> None:
        # Asked for many, the library would wait until it has as many.
        first = consumer.poll(_POLL)
        if first is None:
            return
        # The first is put in its place before more is asked for: asked, the library may take that place away.
        touched = self._put([first]) | self._put(consumer.consume(self._most, 0))
        if touched:
            self._trouble.is_over()
            loop.call_soon_threadsafe(self.look_at, touched)

    def _put(self, messages: list[Message]) -> set[_Place]:
        """Put messages where those of their partition wait, and return these places."""
        touched: set[_Place] = set()
        for message in messages:
            if (error := message.error()) is not None:
                self._wrong(error)
            elif (place := self._places.get((message.topic() or "", message.partition() or 0))) is not None:
                self._put_in(place, message)
                touched.add(place)
        return touched

    def _put_in(self, place: _Place, message: Message) -> None:
        topic, partition, offset = place.topic, place.partition, message.offset() or 0
        headers = message.headers() or []
        body = from_binary(headers.items() if isinstance(headers, dict) else headers, message.value() or b"")
        delivery = Delivery(topic.removeprefix(self._prefix), f"{partition}/{offset}", body)
        place.waiting.append(_Entry(offset, message.leader_epoch(), delivery))
        self._bytes_in += len(body)

    def _wrong(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        self._trouble.is_there(error)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._make_topics()
