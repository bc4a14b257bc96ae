"""Nothing enters twice: a row for each event that a handler is done with.

A batch handler's rows are written in the transaction of its effect: both are there or neither is. A handler of single
events marks after it has acted, because its act is a call to another service, which no transaction spans; that act
does nothing the second time by itself (a notification has the event's id as its own key), so a crash between the two
costs a repetition and changes nothing.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from nextbuy.kit.database import Database, Reader, Transaction

_UNSEEN: Final = """
    INSERT INTO inbox (handler, event_id) SELECT $1, unnest($2::uuid[])
    ON CONFLICT DO NOTHING RETURNING event_id
"""

_MARK: Final = """
    WITH hasty AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO inbox (handler, event_id) SELECT $1, $2 FROM hasty ON CONFLICT DO NOTHING
"""


async def unseen(tx: Transaction, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Mark events as seen by a handler, and return those that were not seen before.

    Two consumers with the same events wait for each other here: the second sees what the first has committed.
    """
    # In order of id, so that two of them never wait for each other both ways.
    return {row["event_id"] for row in await tx.fetch(_UNSEEN, handler, sorted(set(event_ids)))}


async def seen(reader: Reader, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the events that a handler is done with."""
    rows = await reader.fetch(
        "SELECT event_id FROM inbox WHERE handler = $1 AND event_id = ANY($2::uuid[])", handler, list(event_ids)
    )
    return {row["event_id"] for row in rows}


async def mark(database: Database, handler: str, event_id: UUID) -> None:
    """Say that a handler is done with an event; not worth a wait for the disk, since its act may be repeated."""
    await database.execute(_MARK, handler, event_id)
