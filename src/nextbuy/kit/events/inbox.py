"""The inbox holds one row per subscription and event, so that a duplicate has no effect.

A row is written in the transaction of the handler's effect. A rejected event has a row too, with the reason: it is
not tried again unless it is replayed. Rows of applied events outlive the events on the bus by ten days, measured both
by the row's age and by the event's; rows of rejected events stay.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.bus.interface import RETENTION_DAYS
from nextbuy.kit.storage.database import Database, Executor, Transaction
from nextbuy.kit.storage.retention import purge, purge_statement

INBOX_DAYS: Final = RETENTION_DAYS + 10
"""Retention of rows in days: longer than any bus stores an event."""

_RECORD: Final = """
    INSERT INTO inbox (subscription, event_id, rejection)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING RETURNING subscription, event_id
"""
_REJECTIONS: Final = """
    SELECT subscription, event_id, rejection FROM inbox JOIN unnest($1::text[], $2::uuid[]) AS known (name, id)
    ON subscription = name AND event_id = id WHERE rejection IS NOT NULL
"""
_TAKE_REJECTED: Final = """
    UPDATE inbox SET rejection = NULL, at = now() FROM unnest($1::text[], $2::uuid[]) AS known (name, id)
    WHERE subscription = name AND event_id = id AND rejection IS NOT NULL RETURNING subscription, event_id
"""
_SUBSCRIPTIONS: Final = """
    WITH RECURSIVE found AS (
        (SELECT subscription FROM inbox ORDER BY subscription LIMIT 1)
        UNION ALL
        SELECT (SELECT subscription FROM inbox WHERE inbox.subscription > found.subscription ORDER BY 1 LIMIT 1)
        FROM found WHERE found.subscription IS NOT NULL
    )
    SELECT subscription FROM found WHERE subscription IS NOT NULL
"""

# Event ids hold their time, so the primary key finds old rows.
_PURGE: Final = purge_statement(
    "inbox",
    "event_id",
    "$3",
    partition="subscription = $2 AND rejection IS NULL",
    extra_condition=f"at < now() - interval '{INBOX_DAYS} days'",
)


class InboxKey(NamedTuple):
    """The primary key of an inbox row."""

    subscription: str
    event_id: UUID


async def record(tx: Transaction, rejections: Sequence[tuple[InboxKey, str | None]]) -> set[InboxKey]:
    """Insert rows, each with the reason of a rejection or None, and return the keys that were not there before.

    A concurrent delivery of the same events waits here until the other one commits.
    """
    # Sorted, so that two deliveries cannot deadlock.
    rows = sorted(dict(reversed(rejections)).items(), key=lambda row: (row[0].subscription, row[0].event_id.int))
    columns = [[key.subscription for key, _ in rows], [key.event_id for key, _ in rows], [why for _, why in rows]]
    return {InboxKey(*row) for row in await tx.fetch(_RECORD, *columns)}


async def record_new(tx: Transaction, subscription: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Record events as applied by one subscription, and return the ids that were not recorded before."""
    new = await record(tx, [(InboxKey(subscription, event_id), None) for event_id in event_ids])
    return {key.event_id for key in new}


async def rejections(db: Executor, keys: Collection[InboxKey]) -> dict[InboxKey, str]:
    """Return the reasons of the rejected events among these rows."""
    rows = await db.fetch(_REJECTIONS, *_columns(keys)) if keys else []
    return {InboxKey(row["subscription"], row["event_id"]): row["rejection"] for row in rows}


async def take_rejected(tx: Transaction, keys: Collection[InboxKey]) -> set[InboxKey]:
    """Turn rejected rows into applied ones, and return their keys; a replay then runs the handler in `tx`."""
    return {InboxKey(*row) for row in await tx.fetch(_TAKE_REJECTED, *_columns(keys))} if keys else set()


def _columns(keys: Collection[InboxKey]) -> tuple[list[str], list[UUID]]:
    in_order = sorted(keys, key=attrgetter("subscription", "event_id.int"))
    return [key.subscription for key in in_order], [key.event_id for key in in_order]


async def purge_inbox(database: Database) -> None:
    """Delete the rows of events that cannot arrive any more, including those of subscriptions that no longer exist."""
    before = UUID(int=int((utc_now() - timedelta(days=INBOX_DAYS)).timestamp() * 1000) << 80)
    for row in await database.fetch(_SUBSCRIPTIONS):
        await purge(database, _PURGE, UUID(int=0), row["subscription"], before)
