"""A batch from the bus whose events are being delivered to one destination."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID
from zlib import crc32

import msgspec
from msgspec import Struct

from nextbuy.contracts.delivery import Result
from nextbuy.kafka.dead_letters.store import NewDeadLetter
from nextbuy.kafka.late_delivery import LateBatch
from nextbuy.kit.events.bus.interface import Batch, Delivery
from nextbuy.kit.events.inbound import EventDecoder, UndecodableEvent
from nextbuy.kit.observability.telemetry import trace_id_of


class _Traced(Struct):
    traceparent: str


_decode_traced: Final = msgspec.json.Decoder(_Traced).decode


def delivery_key(subscription: str, event_id: UUID) -> str:
    """Return the unique key of the dead letter of a subscription and an event."""
    return f"{subscription}/{event_id}"


@dataclass(slots=True, eq=False)
class Entry:
    """An event, and the subscriptions that it is still to be delivered to."""

    index: int
    """Its place in the batch."""
    topic: str
    event_id: UUID
    body: bytes
    position: int
    """Its position in its publisher's event log."""
    subscriptions: list[str]
    trace_id: str = ""
    attempts: int = 1
    reason: str = ""
    """Why the last attempt failed."""
    failed_at: float | None = None
    """Monotonic seconds of the last failure; None unless it is the first event of its batch that fails."""
    failing_alone: float = 0.0
    """Seconds that it has failed while other events were applied; an outage of the destination does not count."""

    def dead_letter(self, destination: str, subscription: str, result: Result) -> NewDeadLetter:
        """Return the dead letter of a rejection."""
        return NewDeadLetter(
            delivery_key=delivery_key(subscription, self.event_id),
            topic=self.topic,
            event_id=self.event_id,
            event_type=self.topic,
            destination=destination,
            subscription=subscription,
            reason=result.reason,
            errors=result.errors,
            attempts=self.attempts,
            body=self.body,
            position=self.position,
        )


@dataclass(slots=True, eq=False)
class OpenBatch:
    """A batch and its events that are not done, in order."""

    batch: Batch
    entries: list[Entry] = field(default_factory=list)
    due: float = 0.0
    """Monotonic seconds before which nothing of it is sent."""
    alone: bool = False
    """Whether only the first event is sent: it failed, and the others wait for it."""
    late: LateBatch | None = None
    """The batch, if its events are from an event log; they are sent after the events of the bus."""

    @classmethod
    def read(cls, batch: Batch, subscriptions: Sequence[str], source: str | None) -> tuple[Self, list[NewDeadLetter]]:
        """Open a batch; messages without a position or a valid envelope of their topic become dead letters.

        `source` is the only service that publishes the topic.
        """
        opened, letters = cls(batch), []
        for index, delivery in enumerate(batch.deliveries):
            try:
                envelope = EventDecoder.envelope(delivery.body, delivery.position, batch.topic, source)
            except UndecodableEvent as error:
                letters.append(_undecodable(delivery, error))
                continue
            opened.entries.append(
                Entry(
                    index,
                    envelope.type,
                    envelope.id,
                    delivery.body,
                    delivery.position,
                    list(subscriptions),
                    trace_id_of(envelope.traceparent),
                )
            )
        return opened, letters

    @classmethod
    def read_late(cls, batch: LateBatch) -> Self:
        """Open a batch from an event log."""
        entries = [
            Entry(
                index,
                batch.topic,
                event.event_id,
                event.body,
                event.position,
                list(event.subscriptions),
                _trace_id_in(event.body),
            )
            for index, event in enumerate(batch.events)
        ]
        return cls(batch, entries, late=batch)

    @property
    def withdrawn(self) -> bool:
        """Whether its events are not to be sent any more."""
        return self.late is not None and self.late.withdrawn

    @property
    def done(self) -> int:
        """The number of events before the first one that is not done."""
        return self.entries[0].index if self.entries else len(self.batch.deliveries)

    def finish(self, entry: Entry) -> None:
        """Remove an event that is done; the others are sent together again."""
        if entry is self.entries[0]:
            self.alone = False
        self.entries.remove(entry)

    def fail(self, entry: Entry, reason: str, now: float, delay: float) -> None:
        """Have an event sent again after `delay` seconds; the first of the batch by itself."""
        entry.attempts += 1
        entry.reason = reason
        self.due, self.alone = now + delay, True


def _trace_id_in(body: bytes) -> str:
    """Return the trace id of an envelope from an event log."""
    try:
        return trace_id_of(_decode_traced(body).traceparent)
    except msgspec.MsgspecError:
        return ""


def _undecodable(delivery: Delivery, error: UndecodableEvent) -> NewDeadLetter:
    return NewDeadLetter(
        delivery_key=f"{delivery.topic}/{delivery.offset}/{crc32(delivery.body):08x}",
        topic=delivery.topic,
        event_id=error.event_id,
        event_type=error.event_type,
        destination="",
        subscription="",
        reason=str(error),
        errors=[],
        attempts=1,
        body=delivery.body,
        position=delivery.position,
    )
