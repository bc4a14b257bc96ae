"""The inbox holds one row per subscription and event, so that a duplicate has no effect.

A row is written in the transaction of the handler's effect. A rejected event has a row too, with the reason: it is
not tried again unless it is replayed. Rows of applied events outlive the events on the bus by ten days, measured both
by the row's age and by the event's; rows of rejected events stay.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.bus.interface import RETENTION_DAYS
from nextbuy.kit.events.event_ids import first_id
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
_UPDATE_REJECTED: Final = """
    UPDATE inbox SET rejection = reason, at = now()
    FROM unnest($1::text[], $2::uuid[], $3::text[]) AS known (name, id, reason)
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


InboxKey = tuple[str, UUID]
"""The primary key of an inbox row: the name of the inbox, and the id of the event."""


def first_kept_id() -> UUID:
    """Return the id from which on no row has been purged."""
    return first_id(utc_now() - timedelta(days=INBOX_DAYS))


async def record(tx: Transaction, rejections: Sequence[tuple[InboxKey, str | None]]) -> set[InboxKey]:
    """Insert rows, each with the reason of a rejection or None, and return the keys that were not there before.

    A concurrent delivery of the same events waits here until the other one commits.
    """
    return {(name, event_id) for name, event_id in await tx.fetch(_RECORD, *_columns(dict(reversed(rejections))))}


async def record_new(tx: Transaction, subscription: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Record events as applied by one subscription, and return the ids that were not recorded before."""
    new = await record(tx, [((subscription, event_id), None) for event_id in event_ids])
    return {event_id for _, event_id in new}


async def rejections(db: Executor, keys: Collection[InboxKey]) -> dict[InboxKey, str]:
    """Return the reasons of the rejected events among these rows."""
    rows = await db.fetch(_REJECTIONS, *_columns(dict.fromkeys(keys))[:2]) if keys else []
    return {(name, event_id): reason for name, event_id, reason in rows}


async def update_rejected(tx: Transaction, rejections: Mapping[InboxKey, str | None]) -> set[InboxKey]:
    """Give rejected rows a new reason, or turn them into applied ones (None), and return their keys.

    A replay then runs the handlers of the applied ones in `tx`.
    """
    if not rejections:
        return set()
    return {(name, event_id) for name, event_id in await tx.fetch(_UPDATE_REJECTED, *_columns(rejections))}


def _columns(rejections: Mapping[InboxKey, str | None]) -> list[list[object]]:
    """Return subscriptions, ids and reasons, sorted, so that two deliveries cannot deadlock."""
    keys = sorted(rejections, key=lambda key: (key[0], key[1].int))
    return [[name for name, _ in keys], [event_id for _, event_id in keys], [rejections[key] for key in keys]]


async def purge_inbox(database: Database) -> None:
    """Delete the rows of events that cannot arrive any more, including rows of subscriptions that no longer exist."""
    before = first_kept_id()
    for row in await database.fetch(_SUBSCRIPTIONS):
        await purge(database, _PURGE, UUID(int=0), row["subscription"], before)
