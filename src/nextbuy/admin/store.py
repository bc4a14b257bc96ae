"""The SQL of the notifications that all admins share."""

from datetime import datetime
from typing import Final
from uuid import UUID

from nextbuy.contracts.admin import CreateNotification
from nextbuy.contracts.values import Notification, Page, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction

_MAX_UNREAD: Final = 1_000
"""The highest number of unread notifications that is counted."""
_MAX_MARKED: Final = 10_000
"""Notifications marked as read in one statement, to bound the time it holds locks."""
_NOTIFICATION: Final = "id, kind, title, message, link, source_event_id, read, created_at"


def _notification(row: Row) -> Notification:
    return Notification(*row.values())


async def insert_notification(db: Executor, notification: CreateNotification) -> UUID:
    """Insert a notification, once for its event and kind, and return its id."""
    # The update changes nothing; it makes the statement return the id of an existing row.
    notification_id: UUID = await db.fetchval(
        """
        INSERT INTO notifications (id, source_event_id, kind, title, message, link) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source_event_id, kind) DO UPDATE SET kind = excluded.kind RETURNING id
        """,
        new_id(),
        notification.source_event_id,
        notification.kind,
        notification.title,
        notification.message,
        notification.link,
    )
    return notification_id


async def list_notifications(db: Executor, *, limit: int, cursor: str | None) -> Page[Notification]:
    """List notifications, newest first."""
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
    page = [_notification(row) for row in rows[:limit]]
    return Page(page, encode_cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None)


async def mark_read(db: Executor, notification_id: UUID) -> Notification | None:
    """Mark a notification as read and return it, or None if it does not exist."""
    row = await db.fetchrow(
        f"UPDATE notifications SET read = true WHERE id = $1 RETURNING {_NOTIFICATION}",  # noqa: S608
        notification_id,
    )
    return None if row is None else _notification(row)


async def count_unread(db: Executor) -> int:
    """Count the unread notifications, up to `_MAX_UNREAD`."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM (SELECT FROM notifications WHERE NOT read LIMIT $1) AS unread", _MAX_UNREAD
    )
    return count


async def mark_all_read(tx: Transaction) -> int:
    """Mark up to `_MAX_MARKED` notifications as read; return how many were unread before."""
    tag = await tx.execute(
        """
        UPDATE notifications SET read = true
         WHERE id IN (SELECT id FROM notifications WHERE NOT read ORDER BY id LIMIT $1)
        """,
        _MAX_MARKED,
    )
    return int(tag.rpartition(" ")[2])
