"""The SQL of admin."""

from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.values import Notification, Page, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction

_COUNTED: Final = 1_000
_AT_ONCE: Final = 10_000
_NOTIFICATION: Final = "id, kind, title, message, link, source_event_id, read, created_at"


def _notification(row: Row) -> Notification:
    return Notification(*row.values())


async def keep_notification(db: Executor, note: CreateNotification) -> UUID:
    """Write a notification, once for its event and kind, and return its id."""
    made: UUID | None = await db.fetchval(
        """
        INSERT INTO notifications (id, source_event_id, kind, title, message, link) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source_event_id, kind) DO NOTHING RETURNING id
        """,
        new_id(),
        note.source_event_id,
        note.kind,
        note.title,
        note.message,
        note.link,
    )
    if made is not None:
        return made
    kept: UUID = await db.fetchval(
        "SELECT id FROM notifications WHERE source_event_id = $1 AND kind = $2", note.source_event_id, note.kind
    )
    return kept


async def notifications(db: Executor, *, limit: int, cursor: str | None) -> Page[Notification]:
    """Return notifications, newest first."""
    before = decode_cursor(cursor, datetime, UUID) if cursor else (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_NOTIFICATION} FROM notifications
         WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
         ORDER BY created_at DESC, id DESC LIMIT $3
        """,  # noqa: S608  constant columns
        *before,
        limit + 1,
    )
    found = [_notification(row) for row in rows[:limit]]
    return Page(found, encode_cursor(found[-1].created_at, found[-1].id) if len(rows) > limit else None)


async def mark_read(db: Executor, notification_id: UUID) -> Notification | None:
    """Mark a notification as read and return it, or None where there is none."""
    row = await db.fetchrow(
        f"UPDATE notifications SET read = true WHERE id = $1 RETURNING {_NOTIFICATION}",  # noqa: S608
        notification_id,
    )
    return None if row is None else _notification(row)


async def unread(db: Executor) -> int:
    """Return how many notifications are unread, counted to a thousand."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM (SELECT FROM notifications WHERE NOT read LIMIT $1) AS unread", _COUNTED
    )
    return count


async def mark_all_read(tx: Transaction) -> int:
    """Mark notifications as read, ten thousand at most; return how many were not."""
    tag = await tx.execute(
        """
        UPDATE notifications SET read = true
         WHERE id IN (SELECT id FROM notifications WHERE NOT read ORDER BY id LIMIT $1)
        """,
        _AT_ONCE,
    )
    return int(tag.rpartition(" ")[2])
