"""The outbox stores events in the transaction of the change that they report, so both are committed or neither is.

`publish` writes each event into the event log, where it stays, and a pending row into the outbox, for the relay.
Events of one key are published in the order of their ids, because a publisher locks the row of the aggregate (whose id
is the key) until the commit. Only events that are summed, such as views, need no lock: their order is irrelevant.
"""

from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID
from zlib import crc32

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.inbound import NUL_REASON, InboundEvent, has_nul
from nextbuy.kit.observability import telemetry
from nextbuy.kit.storage.database import Transaction

BUCKETS: Final = 16
"""Number of buckets that keys are hashed into, and so of relays that can work in parallel; the migration repeats it."""

MAX_EVENT_BYTES: Final = 1_000_000
"""Bytes of an event with its envelope: what any Kafka accepts with its default settings.

An event that the bus refuses would block its bucket permanently. The largest event there is, an order of a full basket,
has a tenth of this size.
"""

_INSERT: Final = """
    WITH logged AS (
        INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
        SELECT event_id, topic, key, bucket, $1, envelope
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::text[])
             WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, ordinal)
        ORDER BY ordinal
        RETURNING bucket, id
    )
    INSERT INTO outbox (bucket, id) SELECT bucket, id FROM logged
"""

_encode: Final = msgspec.json.Encoder().encode


def bucket_of(key: str) -> int:
    """Return the bucket of a key. It never changes, because rows in the outbox hold it."""
    return crc32(key.encode()) % BUCKETS


def make_envelope(
    event: Event,
    source: str,
    trace: telemetry.SpanContext,
    *,
    cause: InboundEvent | None = None,
    at: datetime | None = None,
) -> Envelope:
    """Return the envelope of an event that the service `source` publishes in the span `trace`; `at` is now if None."""
    return Envelope(
        id=new_id(),
        type=event.topic,
        source=source,
        time=at or utc_now(),
        key=str(getattr(event, event.key)),
        schema_version=event.schema_version,
        correlation_id=trace.correlation_id,
        causation_id=str(cause.id) if cause else trace.correlation_id,
        traceparent=trace.traceparent,
        data=msgspec.Raw(_encode(event)),
    )


def _require_valid(event: Event, envelope: Envelope, body: bytes) -> None:
    """Check an event as its subscribers do: the log is permanent, and one that none can read would stay in it."""
    try:
        _decoder(type(event)).decode(envelope.data)
        if has_nul(body):
            raise ValueError(NUL_REASON)
    except ValueError as error:
        message = f"{envelope.type} event invalid: {error}"
        raise ValueError(message) from error


@cache
def _decoder(kind: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(kind)


async def publish(
    tx: Transaction, *events: Event, cause: InboundEvent | None = None, at: datetime | None = None
) -> list[UUID]:
    """Publish events, in this order, when `tx` commits; return their ids.

    They continue the trace of the event that is their `cause`, otherwise that of the running code. Their time is `at`,
    for a row that stores the same time, or now.

    Raises:
        ValueError: an event is larger than `MAX_EVENT_BYTES` or breaks a bound of its type, a defect of its publisher.
    """
    if not events:
        return []
    parent = (
        telemetry.resume_span(cause.envelope.traceparent, cause.envelope.correlation_id)
        if cause
        else telemetry.current_span()
    )
    if not parent.trace_id.strip("0"):
        parent = telemetry.start_span()
    envelopes = [make_envelope(event, tx.service, parent.child(), cause=cause, at=at) for event in events]
    bodies = [_encode(envelope) for envelope in envelopes]
    for event, envelope, body in zip(events, envelopes, bodies, strict=True):
        if len(body) > MAX_EVENT_BYTES:
            message = f"{envelope.type} event too large: {len(body)} bytes, limit {MAX_EVENT_BYTES}"
            raise ValueError(message)
        _require_valid(event, envelope, body)
    await tx.execute(
        _INSERT,
        parent.span_id,
        [envelope.id for envelope in envelopes],
        [envelope.type for envelope in envelopes],
        [envelope.key for envelope in envelopes],
        [bucket_of(envelope.key) for envelope in envelopes],
        [body.decode() for body in bodies],
    )
    tx.published = True
    return [envelope.id for envelope in envelopes]
