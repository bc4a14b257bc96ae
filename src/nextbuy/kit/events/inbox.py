"""The inbox holds one row per handler and processed event, so that a duplicate has no effect.

A batch handler's rows are written in the transaction of its effect. A handler that calls another service marks the
event after it has acted, because no transaction spans a call; its act is idempotent, so a crash in between is safe.
Rows outlive the events on the bus by ten days, measured both by the row's age and by the event's.
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

INBOX_DAYS: Final = RETENTION_DAYS + 10
"""Retention of rows in days: longer than any bus stores an event."""

_RECORD_NEW: Final = """
    INSERT INTO inbox (handler, event_id) SELECT $1, unnest($2::uuid[])
    ON CONFLICT DO NOTHING RETURNING event_id
"""

_SEEN: Final = "SELECT event_id FROM inbox WHERE handler = $1 AND event_id = ANY($2::uuid[])"

_MARK: Final = """
    WITH no_fsync AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO inbox (handler, event_id) SELECT $1, unnest($2::uuid[]) FROM no_fsync ON CONFLICT DO NOTHING
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

# Event ids hold their time, so the primary key finds old rows.
_PURGE: Final = purge_statement(
    "inbox", "event_id", "$3", partition="handler = $2", extra_condition=f"at < now() - interval '{INBOX_DAYS} days'"
)


async def record_new(tx: Transaction, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Record events as processed by a handler, and return the ids that were not recorded before.

    A concurrent consumer of the same events waits here until the other one commits.
    """
    # Sorted, so that two consumers cannot deadlock.
    in_order = sorted(set(event_ids), key=attrgetter("int"))
    return {row["event_id"] for row in await tx.fetch(_RECORD_NEW, handler, in_order)}


async def seen(reader: Executor, handler: str, event_ids: Iterable[UUID]) -> set[UUID]:
    """Return the ids of the events that a handler has processed."""
    return {row["event_id"] for row in await reader.fetch(_SEEN, handler, list(event_ids))}


async def mark(database: Database, handler: str, event_ids: Iterable[UUID]) -> None:
    """Record events as processed by a handler, without waiting for the disk: its act may be repeated after a crash."""
    await database.execute(_MARK, handler, sorted(set(event_ids)))


async def purge_inbox(database: Database) -> None:
    """Delete the rows of events that cannot arrive any more, including rows of handlers that no longer exist."""
    before = UUID(int=int((utc_now() - timedelta(days=INBOX_DAYS)).timestamp() * 1000) << 80)
    for row in await database.fetch(_HANDLERS):
        await purge(database, _PURGE, UUID(int=0), row["handler"], before)
