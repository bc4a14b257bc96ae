"""The event log holds every event that a service has published, for timelines and for rebuilding projections.

Rows are only ever added, and positions follow the order of writing. Of two concurrent transactions, the later position
may become visible first, so a reader that continues from a position can miss an event. It needs a second source: a
projection (tables computed from events) that is being rebuilt also receives every event from the bus.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.message import Envelope, EventsRead, LoggedEvent
from nextbuy.kit.observability.telemetry import SpanContext, resume_span
from nextbuy.kit.storage.database import Database, Executor

MAX_PART_BYTES: Final = 4 * 1024 * 1024
"""Bytes of envelopes after which a part of the log ends: less than the limit of a reply to an internal call."""

_SIZED: Final = """
    SELECT id, envelope FROM (
        SELECT id, envelope, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM ({}) AS next
    ) AS sized
    WHERE bytes - octet_length(envelope) < $3
    ORDER BY id
"""
_READ_AFTER: Final = _SIZED.format("SELECT id, envelope FROM event_log WHERE id > $1 ORDER BY id LIMIT $2")

# Selects ids first, from the index alone: otherwise the planner may scan the whole log and filter by topic.
_READ_TOPICS: Final = _SIZED.format("""
        SELECT id, envelope FROM (
            SELECT matching.id FROM (SELECT DISTINCT unnest($4::text[]) AS topic) AS topics CROSS JOIN LATERAL (
                SELECT id FROM event_log WHERE event_log.topic = topics.topic AND id > $1 ORDER BY id LIMIT $2
            ) AS matching
            ORDER BY matching.id LIMIT $2
        ) AS part JOIN event_log USING (id)
""")

_READ_KEYS: Final = "SELECT envelope, parent_span FROM event_log WHERE key = ANY($1::text[]) ORDER BY id LIMIT $2"

_envelope: Final = msgspec.json.Decoder(Envelope).decode


class PublishedEvent(Struct, frozen=True):
    """An event in the log, with the span that published it."""

    envelope: Envelope
    span: SpanContext


class _HasLog(Protocol):
    @property
    def database(self) -> Database: ...


class _ReadEvents(Protocol):
    @property
    def after(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def topics(self) -> list[str] | None: ...


async def read_events(deps: _HasLog, call: _ReadEvents) -> EventsRead:
    """Return a part of this service's event log, with the position of its end."""
    # Read first: an event that is written in between then lies after the end, and leaves no gap before it.
    end = await last_position(deps.database)
    events = await read_after(deps.database, call.after, limit=call.limit, topics=call.topics)
    return EventsRead(events, end)


async def read_after(
    reader: Executor, position: int, *, limit: int, topics: Sequence[str] | None = None
) -> list[LoggedEvent]:
    """Return up to `limit` events after a position, in order, of the given topics or of all.

    A part also ends at `MAX_PART_BYTES`, so only an empty part means the end of the log.
    """
    if topics is None:
        rows = await reader.fetch(_READ_AFTER, position, limit, MAX_PART_BYTES)
    else:
        rows = await reader.fetch(_READ_TOPICS, position, limit, MAX_PART_BYTES, list(topics))
    return [LoggedEvent(row["id"], _envelope(row["envelope"])) for row in rows]


async def read_keys(reader: Executor, keys: Sequence[str], *, limit: int) -> list[Envelope]:
    """Return the first `limit` events with these keys, in the order of writing."""
    rows = await reader.fetch(_READ_KEYS, list(keys), limit)
    return [_envelope(row["envelope"]) for row in rows]


async def read_published(reader: Executor, keys: Sequence[str], *, limit: int) -> list[PublishedEvent]:
    """Return the first `limit` events with these keys, in the order of writing, with their publishers' spans."""
    rows = await reader.fetch(_READ_KEYS, list(keys), limit)
    return [_published(_envelope(row["envelope"]), row["parent_span"]) for row in rows]


def _published(envelope: Envelope, parent_span: str) -> PublishedEvent:
    span = resume_span(envelope.traceparent, envelope.correlation_id)
    return PublishedEvent(envelope, replace(span, span_id=parent_span))


async def last_position(reader: Executor) -> int:
    """Return the position of the last event, or zero if the log is empty."""
    return int(await reader.fetchval("SELECT coalesce(max(id), 0) FROM event_log"))
