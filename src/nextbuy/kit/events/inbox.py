"""Nothing enters twice: a row for each event that a handler is done with.

A batch handler's rows are written in the transaction of its effect: both are there or neither is. A handler that calls
another service marks after it has acted, because no transaction spans a call; that act does nothing the
second time by itself (a notification has the event's id as its own key), so a crash between the two costs a repetition
and changes nothing.

A row is kept for ten days longer than any bus keeps an event, counted from when it was written and from when the event
was: by then nothing can bring the event again.
"""

from collections.abc import Iterable
from datetime import timedelta
from operator import attrgetter
from typing import Final
from uuid import UUID

from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.bus.interface import RETENTION_DAYS
from nextbuy.kit.storage.database import Database, Executor, Transaction
from nextbuy.kit.storage.retention import purge, purge_statement

DAYS: Final = RETENTION_DAYS + 10
"""For so long a row is kept."""

_UNSEEN: Final = """
    INSERT INTO inbox (handler, event_id) SELECT $1, unnest($2::uuid[])
    ON CONFLICT DO NOTHING RETURNING event_id
"""

_SEEN: Final = "SELECT event_id FROM inbox WHERE handler = $1 AND event_id = ANY($2::uuid[])"

_MARK: Final = """
    WITH hasty AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO inbox (handler, event_id) SELECT $1, unnest($2::uuid[]) FROM hasty ON CONFLICT DO NOTHING
"""

_HANDLERS: Final = """
    WITH RECURSIVE found AS (
        (SELECT handler FROM inbox ORDER BY handler LIMIT 1)
        UNION ALL
        SELECT (SELECT handler FROM inbox WHERE inbox.handler > found.handler ORDER BY handler LIMIT 1)
        FROM found WHERE found.handler IS NOT NULL
    )
    SELECT handler FROM found WHERE handler IS NOT NULL
"""

# Ids tell the time: the index of the primary key finds what is old.
_FORGET: Final = purge_statement(
    "inbox", "event_id", "$3", partition="handler = $2", extra_condition=f"at < now() - interval '{DAYS} days'"
)


async def unseen(tx: Transaction, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Mark events as seen by a handler, and return those that were not seen before.

    Two consumers with the same events wait for each other here: the second sees what the first has committed.
    """
    # In order of id, so that two of them never wait for each other both ways.
    in_order = sorted(set(event_ids), key=attrgetter("int"))
    return {row["event_id"] for row in await tx.fetch(_UNSEEN, handler, in_order)}


async def seen(reader: Executor, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the events that a handler is done with."""
    return {row["event_id"] for row in await reader.fetch(_SEEN, handler, list(event_ids))}


async def mark(database: Database, handler: str, event_ids: Iterable[UUID]) -> None:
    """Say that a handler is done with events; not worth a wait for the disk, since its act may be repeated."""
    await database.execute(_MARK, handler, sorted(set(event_ids)))


async def purge_inbox(database: Database) -> None:
    """Drop the rows of events that can come no more, those of handlers that are gone too."""
    before = UUID(int=int((utc_now() - timedelta(days=DAYS)).timestamp() * 1000) << 80)
    for row in await database.fetch(_HANDLERS):
        await purge(database, _FORGET, UUID(int=0), row["handler"], before)
