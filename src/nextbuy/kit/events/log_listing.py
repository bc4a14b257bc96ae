"""The calls by which a publisher lists the events of its event log after a position, and returns their envelopes.

A list has published events only: it ends before the first event of its topic that waits in the outbox, and before the
events of the last `SETTLING` seconds, since a transaction may still commit an event with a lower position. So a
position at the end of a list skips no event.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from msgspec import Raw

from nextbuy.contracts.comparison import (
    EventSelection,
    ListedEvents,
    ListLoggedEvents,
    LogCursor,
    LoggedEnvelope,
    LogListed,
    LogRead,
    ReadLoggedEvents,
    list_logged_events_of,
    read_logged_events_of,
)
from nextbuy.kit.events.event_ids import first_id, time_of
from nextbuy.kit.events.event_log import MAX_PART_BYTES, last_position
from nextbuy.kit.service import CallHandler, Service, answers
from nextbuy.kit.storage.database import Database, Executor

log: Final = logging.getLogger(__name__)

SETTLING: Final = 60.0
"""Seconds. Several times `TRANSACTION_TIMEOUT`, within which every event is committed."""
_SKEW: Final = timedelta(hours=1)
"""The highest difference between the clocks of publishers; a list that begins at a time begins that much earlier."""
_CONCURRENT: Final = 1_000
"""Events near a time that are searched, since concurrent ones may have positions and times in different orders."""

_ON_BUS: Final = "NOT EXISTS (SELECT FROM parked_events WHERE parked_events.id = log.id)"
_WAITS: Final = "EXISTS (SELECT FROM outbox WHERE outbox.bucket = log.bucket AND outbox.id = log.id)"

# Positions follow the order of writing, so the first row that is old enough is found at the end of the index.
_SETTLED: Final = """
    SELECT id FROM event_log WHERE created_at < now() - make_interval(secs => $1) ORDER BY id DESC LIMIT 1
"""
_KNOWN: Final = """
    SELECT n FROM unnest($1::bigint[], $2::uuid[]) WITH ORDINALITY AS cursor (position, event_id, n)
    JOIN event_log ON event_log.id = cursor.position AND event_log.event_id = cursor.event_id
"""
_LAST_OF_TOPIC: Final = """
    SELECT topic, (SELECT id - 1 FROM event_log WHERE event_log.topic = topics.topic ORDER BY id DESC LIMIT 1) AS before
    FROM unnest($1::text[]) AS topics (topic)
"""
_BEFORE: Final = f"""
    SELECT coalesce(min(id) - 1, $2) FROM (
        SELECT id FROM event_log WHERE event_id >= $1 ORDER BY event_id LIMIT {_CONCURRENT}
    ) AS next
"""  # noqa: S608  made of constants, as all below
_UP_TO: Final = f"""
    SELECT coalesce(max(id), 0) FROM (
        SELECT id FROM event_log WHERE event_id < $1 ORDER BY event_id DESC LIMIT {_CONCURRENT}
    ) AS previous
"""  # noqa: S608
# An ordered range of (topic, id) leaves only the index of topics: with a limit, the index of ids looks cheap, and it is
# not for a topic with few events. `IS TRUE` does the same for the index of event ids.
_LIST: Final = f"""
    SELECT cursor.n, listed.* FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS cursor (topic, after, n)
    CROSS JOIN LATERAL (
        SELECT id, event_id, {_WAITS} AS waits FROM event_log AS log
        WHERE (topic, id) > (cursor.topic, cursor.after) AND (topic, id) <= (cursor.topic, $3) AND {_ON_BUS}
        ORDER BY topic, id LIMIT $4
    ) AS listed
    ORDER BY cursor.n, listed.id
"""  # noqa: S608
_SIZED: Final = """
    SELECT id, envelope FROM (
        SELECT id, envelope, sum(octet_length(envelope)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM ({}) AS next
    ) AS sized
    WHERE bytes - octet_length(envelope) < $3 ORDER BY id
"""
_PUBLISHED: Final = f"NOT {_WAITS} AND {_ON_BUS}"
_READ_TOPICS: Final = _SIZED.format(f"""
    SELECT id, envelope FROM (
        SELECT matching.id FROM (SELECT DISTINCT unnest($4::text[]) AS topic) AS topics CROSS JOIN LATERAL (
            SELECT id FROM event_log AS log
            WHERE (topic, id) > (topics.topic, $1) AND (topic, id) <= (topics.topic, $5)
                  AND (event_id >= $6 AND event_id < $7) IS TRUE AND {_PUBLISHED}
            ORDER BY topic, id LIMIT $2
        ) AS matching ORDER BY matching.id LIMIT $2
    ) AS part JOIN event_log USING (id)
""")  # noqa: S608
_READ_KEY: Final = _SIZED.format(f"""
    SELECT id, envelope FROM event_log AS log
    WHERE key = $8 AND topic = ANY($4::text[]) AND id > $1 AND id <= $5 AND event_id >= $6 AND event_id < $7
          AND {_PUBLISHED}
    ORDER BY id LIMIT $2
""")  # noqa: S608
_READ_IDS: Final = _SIZED.format(f"""
    SELECT id, envelope FROM event_log AS log
    WHERE event_id = ANY($4::uuid[]) AND id > $1 AND {_PUBLISHED}
          AND ($5::text[] IS NULL OR topic = ANY($5)) AND ($6::text IS NULL OR key = $6)
    ORDER BY id LIMIT $2
""")  # noqa: S608
_CONTINUE_ABOVE: Final = "SELECT setval('event_log_id_seq', $1) FROM event_log_id_seq WHERE last_value < $1"
_LAST_ID: Final = UUID(int=2**128 - 1)


class _HasLog(Protocol):
    @property
    def database(self) -> Database: ...


def log_calls(service: Service) -> list[CallHandler]:
    """Return the calls that a service answers if it publishes events."""
    if not service.publishes:
        return []
    return [
        answers(list_logged_events_of(service.name), list_logged_events),
        answers(read_logged_events_of(service.name), read_logged_events),
    ]


async def list_logged_events(deps: _HasLog, call: ListLoggedEvents) -> LogListed:
    """List the events after each cursor; if the log was restored, continue its positions above those that were used."""
    database = deps.database
    lost = await _lost_cursors(database, call.cursors)
    if lost and await database.fetchval(_CONTINUE_ABOVE, call.highest):
        text = "event log of %s restored without events that were delivered; new positions continue above %d"
        log.error(text, database.service, call.highest)
    starts = await _starts(database, call.cursors, lost)
    settled = await database.fetchval(_SETTLED, SETTLING) or 0
    rows = await database.fetch(_LIST, [cursor.topic for cursor in call.cursors], starts, settled, call.limit)
    lists = [ListedEvents([], []) for _ in call.cursors]
    waiting: set[int] = set()
    for row in rows:
        waiting |= {row["n"]} if row["waits"] else set()
        if row["n"] not in waiting:
            lists[row["n"] - 1].positions.append(row["id"])
            lists[row["n"] - 1].event_ids.append(row["event_id"])
    listed = [ListedEvents(part.positions, part.event_ids, len(part.positions) == call.limit) for part in lists]
    return LogListed(listed, list({cursor.event_id for cursor in lost if cursor.event_id}))


async def _lost_cursors(db: Executor, cursors: Sequence[LogCursor]) -> set[LogCursor]:
    """Return the cursors whose event is not at its position, since the log was restored from an earlier backup."""
    at_events = [cursor for cursor in cursors if cursor.event_id is not None]
    known = await db.fetch(_KNOWN, [cursor.position for cursor in at_events], [cursor.event_id for cursor in at_events])
    return set(at_events) - {at_events[row["n"] - 1] for row in known}


async def _starts(db: Executor, cursors: Sequence[LogCursor], lost: Collection[LogCursor]) -> list[int]:
    """Return the position after which each list begins; for a lost cursor, the list includes the topic's last event."""
    since = {
        cursor: time_of(cursor.event_id) if cursor in lost and cursor.event_id else cursor.since for cursor in cursors
    }
    by_time = {moment: await _start_at(db, moment) for moment in {*since.values()} - {None} if moment}
    starts = [by_time.get(moment, 0) if (moment := since[cursor]) else cursor.position for cursor in cursors]
    rows = await db.fetch(_LAST_OF_TOPIC, [cursor.topic for cursor in lost]) if lost else []
    before_last = {row["topic"]: row["before"] for row in rows if row["before"] is not None}
    return [
        min(start, before_last.get(cursor.topic, start)) if cursor in lost else start
        for cursor, start in zip(cursors, starts, strict=True)
    ]


async def _start_at(db: Executor, since: datetime) -> int:
    """Return a position before all events that were published at a time or later."""
    return int(await db.fetchval(_BEFORE, _id_near(since, -_SKEW), await last_position(db)))


async def read_logged_events(deps: _HasLog, call: ReadLoggedEvents) -> LogRead:
    """Return the next selected events, up to `MAX_PART_BYTES`."""
    database, selection = deps.database, call.selection
    if selection.event_ids is not None:
        filters = (selection.event_ids, selection.topics, selection.key)
        rows = await database.fetch(_READ_IDS, call.after, call.limit, MAX_PART_BYTES, *filters)
        return LogRead([_logged(row) for row in rows], call.after)
    last = await _last_of(database, selection.until)
    after = max(call.after, await _start_at(database, selection.since)) if selection.since else call.after
    ids = (first_id(selection.since) if selection.since else UUID(int=0), _until(selection))
    statement, more = (_READ_TOPICS, ()) if selection.key is None else (_READ_KEY, (selection.key,))
    rows = await database.fetch(statement, after, call.limit, MAX_PART_BYTES, selection.topics or [], last, *ids, *more)
    return LogRead([_logged(row) for row in rows], last)


async def _last_of(db: Executor, until: datetime | None) -> int:
    """Return the position at which a selection ends."""
    if until is None:
        return await last_position(db)
    return int(await db.fetchval(_UP_TO, _id_near(until, _SKEW)))


def _id_near(moment: datetime, shift: timedelta) -> UUID:
    """Return the lowest id of a shifted time, or of the time itself if the shifted one is out of range."""
    try:
        return first_id(moment + shift)
    except OverflowError:
        return first_id(moment)


def _until(selection: EventSelection) -> UUID:
    return _LAST_ID if selection.until is None else first_id(selection.until)


def _logged(row: Any) -> LoggedEnvelope:  # noqa: ANN401  a row of any statement
    return LoggedEnvelope(row["id"], Raw(row["envelope"].encode()))
