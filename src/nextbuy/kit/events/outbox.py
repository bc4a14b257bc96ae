"""The outbox stores events in the transaction of the change that they report, so both are committed or neither is.

`publish` writes each event into the event log, where it stays, and a pending row into the outbox, for the relay.
`publish_change` does so in the statement that makes the change, which saves three of four round trips.
Events of one key are published in the order of their ids, because a publisher locks the row of the aggregate (whose id
is the key) until the commit. Only events that are summed, such as views, need no lock: their order is irrelevant.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.inbound import NUL_REASON, InboundEvent, has_nul
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.ids import note_ids
from nextbuy.kit.storage.database import Executor, Row, Transaction

BUCKETS: Final = 16
"""Number of buckets that keys are hashed into, and so of relays that can work in parallel; the migration repeats it."""

MAX_EVENT_BYTES: Final = 1_000_000
"""Bytes of an event with its envelope, which every Kafka accepts with its default settings.

The bus may reject a larger event, which is then parked. The largest event, an order of a full basket, has a tenth of
this size.
"""

_LOG: Final = """
    logged AS (
        INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
        SELECT event_id, topic, key, bucket, ${}, envelope
        FROM unnest(${}::uuid[], ${}::text[], ${}::text[], ${}::smallint[], ${}::text[])
             WITH ORDINALITY AS new (event_id, topic, key, bucket, envelope, ordinal)
        {condition}
        ORDER BY ordinal
        RETURNING bucket, id
    )
"""
_QUEUE: Final = "INSERT INTO outbox (bucket, id) SELECT bucket, id FROM logged"
_INSERT: Final = f"WITH {_LOG.format(*range(1, 7), condition='')} {_QUEUE}"

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
    """Check an event as its subscribers do: the log is permanent, so an event that none can decode would stay in it."""
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
    rows = _rows(tx.service, events, cause=cause, at=at)
    await tx.execute(_INSERT, *rows)
    tx.mark_published()
    return rows.event_ids


async def publish_change(
    db: Executor,
    change: str,
    values: Sequence[object],
    events: Sequence[Event],
    *,
    follow_up: str = "",
    at: datetime | None = None,
) -> Row | None:
    """Change a row and publish events about it in one statement; return the row that `change` returns, or None.

    If `change` returns no row, nothing is published. It locks the row before the events get their positions, so events
    of one key keep the order of their commits. `follow_up` is a list of CTEs, which may read the row as `changed`.

    Raises:
        ValueError: an event is larger than `MAX_EVENT_BYTES`.
    """
    first = len(values) + 1
    log = _LOG.format(*range(first, first + 6), condition="WHERE EXISTS (SELECT FROM changed)")
    ctes = ", ".join(cte for cte in (f"changed AS ({change})", follow_up, log, f"queued AS ({_QUEUE})") if cte)
    sql = f"WITH {ctes} SELECT * FROM changed"  # noqa: S608  constants of the caller and of this module
    row = await db.fetchrow(sql, *values, *_rows(db.service, events, at=at))
    if row is not None:
        db.mark_published()
    return row


class _Rows(NamedTuple):
    """The parameters of `_LOG`: the rows of events, by column."""

    parent_span: str
    event_ids: list[UUID]
    topics: list[str]
    keys: list[str]
    buckets: list[int]
    envelopes: list[str]


def _rows(
    service: str, events: Sequence[Event], *, cause: InboundEvent | None = None, at: datetime | None = None
) -> _Rows:
    parent = (
        telemetry.resume_span(cause.envelope.traceparent, cause.envelope.correlation_id)
        if cause
        else telemetry.current_span()
    )
    if not parent.trace_id.strip("0"):
        parent = telemetry.start_span()
    envelopes = [make_envelope(event, service, parent.child(), cause=cause, at=at) for event in events]
    bodies = [_encode(envelope) for envelope in envelopes]
    for event, envelope, body in zip(events, envelopes, bodies, strict=True):
        if len(body) > MAX_EVENT_BYTES:
            message = f"{envelope.type} event too large: {len(body)} bytes, limit {MAX_EVENT_BYTES}"
            raise ValueError(message)
        _require_valid(event, envelope, body)
        note_ids(event)
    return _Rows(
        parent.span_id,
        [envelope.id for envelope in envelopes],
        [envelope.type for envelope in envelopes],
        [envelope.key for envelope in envelopes],
        [bucket_of(envelope.key) for envelope in envelopes],
        [body.decode() for body in bodies],
    )
