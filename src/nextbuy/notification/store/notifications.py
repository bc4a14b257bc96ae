"""SQL of buyers' and sellers' notifications, and of the mails that are created with them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import Notification, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction
from nextbuy.notification.drafts import EmailText, NotificationDraft
from nextbuy.notification.model import MailStatus, NotificationPage

_MAX_UNREAD: Final = 1_000
"""The highest number of unread notifications that is counted."""
_MAX_MARKED: Final = 10_000
"""Notifications marked as read in one statement, to bound the time it holds locks."""

_INSERT: Final = """
    WITH inserted AS (
        INSERT INTO notifications (id, account_id, source_event_id, kind, title, message, link)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
        ON CONFLICT DO NOTHING RETURNING id, account_id, source_event_id, kind
    )
    INSERT INTO mails (id, account_id, source_event_id, kind, subject, body, traceparent, correlation_id, status,
                       due_at, done_at)
    SELECT mail.id, account_id, source_event_id, kind, subject, body, traceparent, correlation_id, $14::text,
           CASE WHEN $14 = 'waiting' THEN now() END, CASE WHEN $14 <> 'waiting' THEN now() END
      FROM inserted JOIN unnest($8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[])
           AS mail (id, notification_id, subject, body, traceparent, correlation_id)
        ON mail.notification_id = inserted.id
    ON CONFLICT DO NOTHING
"""
_NOTIFICATION: Final = "id, kind, title, message, link, source_event_id, read, created_at"


class NewNotification(Struct, frozen=True):
    """A notification for an event, and its mail if it is also sent by e-mail."""

    envelope: Envelope
    draft: NotificationDraft
    email: EmailText | None


async def insert_notifications(
    tx: Transaction, notifications: Sequence[NewNotification], *, mail_status: MailStatus
) -> None:
    """Insert notifications and their mails, each once for its event, account and kind."""
    # In a fixed order, so that concurrent transactions cannot deadlock.
    ordered = sorted(notifications, key=lambda new: (new.envelope.id, new.draft.account_id, new.draft.kind))
    ids = [new_id() for _ in ordered]
    mails = [(id_, new.email, new.envelope) for id_, new in zip(ids, ordered, strict=True) if new.email is not None]
    await tx.execute(
        _INSERT,
        ids,
        [new.draft.account_id for new in ordered],
        [new.envelope.id for new in ordered],
        [new.draft.kind for new in ordered],
        [new.draft.title for new in ordered],
        [new.draft.message for new in ordered],
        [new.draft.link for new in ordered],
        [new_id() for _ in mails],
        [notification_id for notification_id, _, _ in mails],
        [email.subject for _, email, _ in mails],
        [email.body for _, email, _ in mails],
        [envelope.traceparent for _, _, envelope in mails],
        [envelope.correlation_id for _, _, envelope in mails],
        mail_status,
    )


async def list_notifications(db: Executor, account_id: UUID, *, limit: int, cursor: str | None) -> NotificationPage:
    """List an account's notifications, newest first, and count the unread ones up to `_MAX_UNREAD`."""
    last = None if cursor is None else decode_cursor(cursor, UUID)[0]
    rows = await db.fetch(
        f"""
        SELECT {_NOTIFICATION} FROM notifications
         WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,  # noqa: S608  constant columns
        account_id,
        last,
        limit + 1,
    )
    items = [_notification(row) for row in rows[:limit]]
    unread = await db.fetchval(
        "SELECT count(*) FROM (SELECT FROM notifications WHERE account_id = $1 AND NOT read LIMIT $2) AS unread",
        account_id,
        _MAX_UNREAD,
    )
    return NotificationPage(items, encode_cursor(items[-1].id) if len(rows) > limit else None, unread)


def _notification(row: Row) -> Notification:
    return Notification(*row.values())


async def mark_read(tx: Transaction, notification_id: UUID, account_id: UUID) -> Notification | None:
    """Mark an account's notification as read and return it, or None if the account has no such notification."""
    row = await tx.fetchrow(
        f"UPDATE notifications SET read = true WHERE id = $1 AND account_id = $2 RETURNING {_NOTIFICATION}",  # noqa: S608
        notification_id,
        account_id,
    )
    return None if row is None else _notification(row)


async def mark_all_read(tx: Transaction, account_id: UUID) -> int:
    """Mark up to `_MAX_MARKED` notifications of an account as read; return how many were unread before."""
    tag = await tx.execute(
        """
        UPDATE notifications SET read = true
         WHERE id IN (SELECT id FROM notifications WHERE account_id = $1 AND NOT read ORDER BY id LIMIT $2)
        """,
        account_id,
        _MAX_MARKED,
    )
    return int(tag.rpartition(" ")[2])
