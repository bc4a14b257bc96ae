"""Parked events: an event that the bus rejects, for its size for example, leaves the outbox and blocks no other event.

The event stays in the event log. Its row in `parked_events` holds the error from the bus until a replay puts it back
into the outbox. **Later events of its key are published meanwhile**, and a replayed event arrives after them: to stop
the key instead would leave an order unpaid until an operator acts. A handler that stores the latest state compares
versions or positions, as it must for any late event.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Raw

from nextbuy.contracts.parking import (
    MAX_LISTED,
    ListParkedEvents,
    ParkedEvent,
    ParkedEventList,
    ParkedEventRef,
    ParkedEvents,
    ReadParkedEvents,
    ReplayParkedEvents,
    list_parked_events_of,
    read_parked_events_of,
    replay_parked_events_of,
)
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.error_text import storable
from nextbuy.kit.events.event_log import MAX_PART_BYTES
from nextbuy.kit.service import CallHandler, answers
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.leases import Leases

_PARK: Final = """
    WITH held AS (
        UPDATE outbox_leases SET leased_until = now() WHERE {} RETURNING bucket
    ), taken AS (
        DELETE FROM outbox USING held WHERE outbox.bucket = held.bucket AND outbox.id = $3 RETURNING outbox.id
    )
    INSERT INTO parked_events (id, reason) SELECT id, $4 FROM taken RETURNING id
"""
_LIST: Final = """
    SELECT parked_events.id AS position, event_id, parked_at FROM parked_events JOIN event_log USING (id)
    WHERE parked_events.id > $1 ORDER BY parked_events.id LIMIT $2
"""
_READ: Final = """
    WITH fitting AS (
        SELECT id, event_id, topic, reason,
               CASE WHEN octet_length(envelope) > $2 THEN to_json(left(envelope, $3))::text ELSE envelope END
               AS envelope
        FROM event_log JOIN parked_events USING (id) WHERE event_id = ANY($1::uuid[])
    )
    SELECT id AS position, event_id, topic, reason, envelope FROM (
        SELECT *, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes FROM fitting
    ) AS sized
    WHERE bytes - octet_length(envelope) < $2
    ORDER BY id
"""
_SHORTENED: Final = 10_000
"""Characters that are read of an envelope that alone is larger than a reply."""
_REPLAY: Final = """
    WITH replayed AS (
        DELETE FROM parked_events USING event_log
        WHERE parked_events.id = event_log.id AND event_id = ANY($1::uuid[])
        RETURNING bucket, event_log.id
    )
    INSERT INTO outbox (bucket, id) SELECT bucket, id FROM replayed
"""


async def park(
    database: Database, leases: Leases, buckets: Sequence[int], until: datetime, position: int, reason: str
) -> bool:
    """Move an event from the outbox to the parked ones and release its lease; return false if the lease was lost."""
    return await database.fetchval(_PARK.format(leases.held), buckets, until, position, storable(reason)) is not None


def parking_handlers(service: str, database: Database) -> list[CallHandler]:
    """Return the answers of a publisher to the calls about its parked events."""

    async def list_parked_events(_deps: object, call: ListParkedEvents) -> ParkedEventList:
        rows = await database.fetch(_LIST, call.after, MAX_LISTED)
        return ParkedEventList([ParkedEventRef(**row) for row in rows])

    async def read_parked_events(_deps: object, call: ReadParkedEvents) -> ParkedEvents:
        rows = await database.fetch(_READ, call.event_ids, MAX_PART_BYTES, _SHORTENED)
        return ParkedEvents([ParkedEvent(**dict(row, envelope=Raw(row["envelope"].encode()))) for row in rows])

    async def replay_parked_events(_deps: object, call: ReplayParkedEvents) -> Nothing:
        async with database.transaction() as tx:
            await tx.execute(_REPLAY, call.event_ids)
            tx.published = True
        return Nothing()

    return [
        answers(list_parked_events_of(service), list_parked_events),
        answers(read_parked_events_of(service), read_parked_events),
        answers(replay_parked_events_of(service), replay_parked_events),
    ]
