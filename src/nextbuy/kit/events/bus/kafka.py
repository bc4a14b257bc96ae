"""The bus on Apache Kafka: a topic per event type, partitioned by key; an envelope travels as a CloudEvent.

The asyncio client of librdkafka takes no headers, so this uses the plain one, with a thread for delivery reports.
**Order through failures:** messages that the cluster has not stored within `TIMEOUT` are withdrawn all at once,
together with their client, so none is stored after a lost one of its key. Likewise, no message expires by itself.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import Header, position_header, to_binary
from nextbuy.kit.events.bus.interface import BusMessage, BusUnavailable
from nextbuy.kit.events.bus.kafka_connection import (
    MAX_MESSAGE_BYTES,
    TIMEOUT,
    OutageLog,
    Probe,
    client_settings,
    create_topics,
)
from nextbuy.kit.events.bus.kafka_subscription import KafkaSubscription

log: Final = logging.getLogger(__name__)

_TOPICS_TIMEOUT: Final = 3.5
"""Seconds to create missing topics before publishing; together with `TIMEOUT` it is less than the relay's timeout."""
_CLOSE_TIMEOUT: Final = 1.0
"""Seconds to deliver what was handed over before; the outbox still has the rest."""
_POLL_TIMEOUT: Final = 0.5
"""Seconds that a poll for delivery reports blocks the thread, and so the delay until it notices a shutdown."""
_FULL_QUEUE_PAUSE: Final = 0.005
"""Seconds between attempts while the client's queue is full."""

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

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._prefix = kafka.prefix
        self._outage_log = OutageLog("publishing")
        self._known_topics: set[str] = set()
        self._creating_topics = asyncio.Lock()
        self._sender: _Sender | None = None
        self._probe: Probe | None = None

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        """Store messages, in this order: of each key all of them or, on failure, only the first ones."""
        if not messages:
            return
        sender = None
        try:
            async with asyncio.timeout(_TOPICS_TIMEOUT):
                await self._create_topics({self._prefix + message.topic for message in messages})
            async with asyncio.timeout(TIMEOUT):
                sender = self._current_sender()
                await sender.send(self._prefix, messages)
        except (TimeoutError, KafkaException) as error:
            if sender is not None:
                sender.abort()
            reason = f"Kafka did not store {len(messages)} messages: {error!r}"
            raise BusUnavailable(reason) from error
        self._outage_log.recovered()

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> KafkaSubscription:
        """Join a group; a batch has messages of one partition, which one member at a time reads."""
        return KafkaSubscription(self._kafka, group, topics, batch_size)

    async def ping(self, timeout: float) -> None:
        """Check that the cluster answers within `timeout` seconds; if not, BusUnavailable says why."""
        if self._probe is None:
            self._probe = Probe(self._kafka)
        if reason := await asyncio.to_thread(self._probe.check, timeout):
            raise BusUnavailable(reason)

    async def close(self) -> None:
        """Deliver what was handed over, within `_CLOSE_TIMEOUT`, and disconnect."""
        if self._sender is not None:
            await self._sender.close()

    async def _create_topics(self, topics: set[str]) -> None:
        if topics <= self._known_topics:
            return
        async with self._creating_topics:
            if missing := topics - self._known_topics:
                await asyncio.to_thread(create_topics, self._kafka, missing, self._outage_log)
                self._known_topics |= missing

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

    async def send(self, prefix: str, messages: Sequence[BusMessage]) -> None:
        """Send messages and wait until they are stored; raise KafkaException if one was not."""
        pending = _PendingMessages(asyncio.get_running_loop(), len(messages), self.abort)
        for message in messages:
            headers, value = to_binary(message.body)
            headers.append(position_header(message.position))
            topic = prefix + message.topic
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

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int, on_failure: Callable[[], None]) -> None:
        self.stored: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._remaining = count
        self._on_failure = on_failure
        self._error: KafkaError | None = None

    def on_report(self, error: KafkaError | None, _message: Message) -> None:
        """Count the delivery report of one message; runs in the client's thread."""
        if error is not None and self._error is None:
            self._error = error
            self._on_failure()
        self._remaining -= 1
        if not self._remaining:
            with suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(self._complete)

    def _complete(self) -> None:
        if self.stored.done():
            return
        if self._error is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(KafkaException(self._error))
