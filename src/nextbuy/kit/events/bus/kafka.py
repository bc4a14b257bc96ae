"""The bus on Apache Kafka: topic for topic, the key deciding the partition; an envelope goes as a CloudEvent.

librdkafka's plain client, for its asyncio one takes no headers: it is handed packets by the event loop, which it never
blocks, and a thread of ours waits for its answers.

**Order through failures.** What the cluster has not taken within `_TIMEOUT` is taken back, all of it at once and the
client with it, so of each key a beginning of what was sent is stored, never something behind what is not. For the same
reason no event expires by itself.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import Header, to_binary
from nextbuy.kit.events.bus.interface import BusMessage, BusUnavailable
from nextbuy.kit.events.bus.kafka_connection import MOST_BYTES, TIMEOUT, Probe, Trouble, client, make_topics
from nextbuy.kit.events.bus.kafka_subscription import KafkaSubscription

log: Final = logging.getLogger(__name__)

_TIMEOUT: Final = TIMEOUT
"""Seconds that the cluster may take to store events."""
_TOPICS_TIMEOUT: Final = 3.5
"""Seconds that topics which are not known to be there may take before that; with it, less than a relay waits."""
_CLOSE_TIMEOUT: Final = 1.0
_POLL: Final = 0.5
_ROOM: Final = 0.005
"""Seconds between tries while the client's queue is full."""

_SETTINGS: Final = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 0,
    "message.timeout.ms": 0,
    "message.max.bytes": MOST_BYTES,
    "queue.buffering.max.kbytes": 8 * MOST_BYTES // 1024,
}


class KafkaBus:
    """Carries packets on a Kafka that others may use too: its topics and groups begin with the settings' prefix."""

    def __init__(self, kafka: Kafka) -> None:
        """Prepare; nothing is said to the cluster before it is needed."""
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._trouble = Trouble("what is published")
        self._made: set[str] = set()
        self._making = asyncio.Lock()
        self._sender: _Sender | None = None
        self._probe: Probe | None = None

    async def publish(self, packets: Sequence[BusMessage]) -> None:
        """Store packets, in this order: of each key, all of them or a beginning."""
        if not packets:
            return
        sender = None
        try:
            async with asyncio.timeout(_TOPICS_TIMEOUT):
                await self._make({self._prefix + packet.topic for packet in packets})
            async with asyncio.timeout(_TIMEOUT):
                sender = self._sender_of_now()
                await sender.send(self._prefix, packets)
        except (TimeoutError, KafkaException) as error:
            if sender is not None:
                sender.give_up()
            message = f"Kafka did not store {len(packets)} events: {error!r}"
            raise BusUnavailable(message) from error
        self._trouble.is_over()

    def subscribe(self, group: str, topics: Sequence[str], *, most: int = 200) -> KafkaSubscription:
        """Take a place in a group; batches are of one partition of a topic, which one of the group reads at a time."""
        return KafkaSubscription(self._kafka, group, topics, most)

    async def ping(self, seconds: float) -> None:
        """Ask whether the cluster is there.

        Raises:
            BusUnavailable: it did not answer within some seconds; says why.
        """
        if self._probe is None:
            self._probe = Probe(self._kafka)
        if reason := await asyncio.to_thread(self._probe.ask, seconds):
            raise BusUnavailable(reason)

    async def close(self) -> None:
        """Let what is being sent be sent, for a second, and let go of the cluster."""
        if self._sender is not None:
            await self._sender.close()

    async def _make(self, topics: set[str]) -> None:
        if topics <= self._made:
            return
        async with self._making:
            if missing := topics - self._made:
                await asyncio.to_thread(make_topics, self._kafka, missing, self._trouble)
                self._made |= missing

    def _sender_of_now(self) -> "_Sender":
        if self._sender is None or self._sender.given_up:
            self._sender = _Sender(self._kafka, self._trouble)
        return self._sender


class _Sender:
    """One client that sends, and the thread in which it answers."""

    def __init__(self, kafka: Kafka, trouble: Trouble) -> None:
        self._producer = Producer(client(kafka, "relay", trouble) | _SETTINGS)
        self.given_up = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="kafka-relay", daemon=True)
        self._thread.start()

    async def send(self, prefix: str, packets: Sequence[BusMessage]) -> None:
        """Send packets and wait until they are stored.

        Raises:
            KafkaException: one of them was not.
        """
        sending = _Sending(asyncio.get_running_loop(), len(packets), self.give_up)
        for packet in packets:
            headers, value = to_binary(packet.body)
            while not self._put(prefix + packet.topic, packet.key, headers, value, sending):  # noqa: ASYNC110  the library tells of no room
                await asyncio.sleep(_ROOM)
        await sending.stored

    def _put(self, topic: str, key: str, headers: list[Header], value: bytes, sending: "_Sending") -> bool:
        if self.given_up:
            raise KafkaException(KafkaError(KafkaError._PURGE_QUEUE))  # noqa: SLF001
        try:
            self._producer.produce(topic, value, key=key.encode(), headers=headers, on_delivery=sending.one)
        except BufferError:
            return False
        return True

    def give_up(self) -> None:
        """Take back all that is not stored, and send nothing more."""
        if not self.given_up:
            self.given_up = True
            self._producer.purge(blocking=False)
            self._ended.set()

    async def close(self) -> None:
        """End when all is stored, or after a second."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join, _CLOSE_TIMEOUT + _POLL)

    def _answer(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(_POLL)
        self._producer.flush(_CLOSE_TIMEOUT)
        self._producer.purge()
        self._producer.poll(0)


class _Sending:
    """Some packets on their way; `stored` is done when the cluster has answered for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, on_failure: Callable[[], None]) -> None:
        self.stored: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._left = count
        self._on_failure = on_failure
        self._error: KafkaError | None = None

    def one(self, error: KafkaError | None, _message: Message) -> None:
        """Take the answer for one packet, in the client's thread."""
        if error is not None and self._error is None:
            self._error = error
            self._on_failure()
        self._left -= 1
        if not self._left:
            with suppress(RuntimeError):  # the loop has been closed: nobody waits
                self._loop.call_soon_threadsafe(self._answered)

    def _answered(self) -> None:
        if self.stored.done():
            return
        if self._error is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(KafkaException(self._error))
