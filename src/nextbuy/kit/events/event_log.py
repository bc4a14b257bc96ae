"""What a service has published, for ever: read in order to tell a life, or to build again what was made of it.

Positions are in the order of writing. Of transactions that are open at once the one with the higher position may be
seen first: who reads on from a position must have another way to what was still open then (a projection that is being
rebuilt is also told what arrives on the bus).
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from nextbuy.contracts.message import Envelope, EventsRead, LoggedEvent
from nextbuy.kit.storage.database import Database, Executor

BYTES: Final = 4 * 1024 * 1024
"""A part of a log ends with the event that reaches this: less than an answer between services may have."""

_SIZED: Final = """
    SELECT id, envelope FROM (
        SELECT id, envelope, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM ({}) AS next
    ) AS sized
    WHERE bytes - octet_length(envelope) < $3
    ORDER BY id
"""
_READ: Final = _SIZED.format("SELECT id, envelope FROM event_log WHERE id > $1 ORDER BY id LIMIT $2")

# Ids first, which the index alone has: else the planner may walk the log in order, and pass over what is not asked for.
_READ_TOPICS: Final = _SIZED.format("""
        SELECT id, envelope FROM (
            SELECT found.id FROM (SELECT DISTINCT unnest($4::text[]) AS topic) AS asked CROSS JOIN LATERAL (
                SELECT id FROM event_log WHERE event_log.topic = asked.topic AND id > $1 ORDER BY id LIMIT $2
            ) AS found
            ORDER BY found.id LIMIT $2
        ) AS wanted JOIN event_log USING (id)
""")

_OF_KEYS: Final = "SELECT envelope FROM event_log WHERE key = ANY($1::text[]) ORDER BY id LIMIT $2"

_envelope: Final = msgspec.json.Decoder(Envelope).decode


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


async def read_events(service: _HasLog, call: _ReadEvents) -> EventsRead:
    """Answer another service's question what this one has published."""
    # The end first: what is written between the two is no gap, it lies behind the end that is told.
    end = await last(service.database)
    return EventsRead(await after(service.database, call.after, limit=call.limit, topics=call.topics), end)


async def after(
    reader: Executor, position: int, *, limit: int, topics: Sequence[str] | None = None
) -> list[LoggedEvent]:
    """Return at most `limit` events behind a position, in order; of some topics, where these are named.

    Fewer than `limit` need not be all: large ones are a part by themselves. None means that there are none.
    """
    if topics is None:
        rows = await reader.fetch(_READ, position, limit, BYTES)
    else:
        rows = await reader.fetch(_READ_TOPICS, position, limit, BYTES, list(topics))
    return [LoggedEvent(row["id"], _envelope(row["envelope"])) for row in rows]


async def of_keys(reader: Executor, keys: Sequence[str], *, limit: int) -> list[Envelope]:
    """Return at most `limit` events about these keys, in the order of their writing."""
    rows = await reader.fetch(_OF_KEYS, list(keys), limit)
    return [_envelope(row["envelope"]) for row in rows]


async def last(reader: Executor) -> int:
    """Return the position of the last event, zero where there is none."""
    return int(await reader.fetchval("SELECT coalesce(max(id), 0) FROM event_log"))
