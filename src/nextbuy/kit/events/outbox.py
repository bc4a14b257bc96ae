"""Nothing leaves but through here: an event is a row, written in the transaction of the change that it tells of.

So what was rolled back was never published, and what was committed is published even if the process dies right after:
`outbox_relay.py` carries the rows to the bus, at least once each. The event itself goes into the service's event log,
where it stays (`event_log.py`); the outbox says only that it waits.

Order per key is the order of ids. Two transactions that are open at once get ids in one order and may become visible
in the other, but never for the same key: an event is keyed by the aggregate that it tells of, and whoever changes that
holds its row lock until the commit. Only what is added up, as views are, is told without one: there any order will do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from uuid import UUID
from zlib import crc32

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Transaction

BUCKETS: Final = 16
"""Into how many parts keys are hashed; as many relays can work at the same time. `0001_outbox.sql` has it too."""

MAX_EVENT_BYTES: Final = 1_000_000
"""Bytes that an event may have with its envelope.

Any Kafka takes so much, where topics were made by somebody else too; one that is refused would hold up its bucket for
ever. What is told is bounded where it is taken in: the largest, a basket of fifty lines, has a tenth of it.
"""

_INSERT: Final = """
    WITH logged AS (
        INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
        SELECT event_id, topic, key, bucket, $1, envelope
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::text[])
             WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, place)
        ORDER BY place
        RETURNING bucket, id
    )
    INSERT INTO outbox (bucket, id) SELECT bucket, id FROM logged
"""

_encode: Final = msgspec.json.Encoder().encode
_cause: ContextVar[str | None] = ContextVar("cause", default=None)


@contextmanager
def caused_by(event_id: UUID) -> Iterator[None]:
    """Name the event that is being handled as the cause of those that are published meanwhile."""
    token = _cause.set(str(event_id))
    try:
        yield
    finally:
        _cause.reset(token)


def bucket_of(key: str) -> int:
    """Return the part that a key belongs to: the same in every process, for ever."""
    return crc32(key.encode()) % BUCKETS


def make_envelope(event: Event, source: str, trace: telemetry.SpanContext) -> Envelope:
    """Return the envelope of an event that `source` publishes in a span of its own, `trace`."""
    return Envelope(
        id=new_id(),
        type=event.topic,
        source=source,
        time=utc_now(),
        key=str(getattr(event, event.key)),
        schema_version=event.schema_version,
        correlation_id=trace.correlation_id,
        causation_id=_cause.get() or trace.correlation_id,
        traceparent=trace.traceparent,
        data=msgspec.Raw(_encode(event)),
    )


async def publish(tx: Transaction, *events: Event) -> list[UUID]:
    """Put events into the outbox, in this order, as part of `tx`; return their ids.

    Raises:
        ValueError: an event is larger than `LARGEST`; a defect of who made it.
    """
    if not events:
        return []
    above = telemetry.current_span()
    if not above.trace_id.strip("0"):
        above = telemetry.start_span()
    envelopes = [make_envelope(event, tx.service, above.child()) for event in events]
    bodies = [_encode(envelope) for envelope in envelopes]
    for envelope, body in zip(envelopes, bodies, strict=True):
        if len(body) > MAX_EVENT_BYTES:
            message = f"an event of {envelope.type} has {len(body)} bytes, and may have {MAX_EVENT_BYTES}"
            raise ValueError(message)
    await tx.execute(
        _INSERT,
        above.span_id,
        [envelope.id for envelope in envelopes],
        [envelope.type for envelope in envelopes],
        [envelope.key for envelope in envelopes],
        [bucket_of(envelope.key) for envelope in envelopes],
        [body.decode() for body in bodies],
    )
    tx.published = True
    return [envelope.id for envelope in envelopes]
