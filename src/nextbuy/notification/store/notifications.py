"""The SQL of buyers' and sellers' notifications, and of the mails that are created with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Notification, new_id
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.http.change_streams import MAX_CHANGES
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.changes import SINCE, changes_query
from nextbuy.kit.storage.database import Executor, Row, Transaction
from nextbuy.notification.model import EmailText, NotificationDraft, NotificationPage

_MAX_UNREAD: Final = 1_000
"""The highest number of unread notifications that is counted."""
_MAX_MARKED: Final = 10_000
"""Notifications marked as read in one statement, to bound the time it holds locks."""

_INSERT: Final = """
    WITH inserted AS (
        INSERT INTO notifications
               (id, account_id, source_event_id, kind, title, message, link, about, source, occurred_at, position)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::text[], $9::text[], $10::timestamptz[], $11::bigint[])
        ON CONFLICT DO NOTHING RETURNING id, account_id, source_event_id, kind, about
    )
    INSERT INTO mails (id, account_id, source_event_id, kind, about, reports_state, subject, body, traceparent,
                       correlation_id, link_id, html, status, due_at, done_at)
    SELECT mail.id, account_id, source_event_id, kind, about, reports_state, subject, body, traceparent,
           correlation_id, link_id, html, CASE WHEN waits THEN 'waiting' ELSE 'stored' END,
           CASE WHEN waits THEN now() END,
           CASE WHEN NOT waits THEN now() END
      FROM inserted JOIN unnest($12::uuid[], $13::uuid[], $14::boolean[], $15::text[], $16::text[], $17::text[],
                                $18::text[], $19::uuid[], $20::text[])
           AS mail (id, notification_id, reports_state, subject, body, traceparent, correlation_id, link_id,
                    html)
        ON mail.notification_id = inserted.id
     CROSS JOIN LATERAL (SELECT $21 OR reports_state OR link_id IS NOT NULL AS waits) AS sending
    ON CONFLICT DO NOTHING
"""
CHANGES: Final = changes_query(
    f"SELECT account_id, false AS all_accounts FROM notifications WHERE {SINCE} LIMIT {MAX_CHANGES + 1}"  # noqa: S608
)
"""A query for `read_changes`: the accounts whose notifications have changed."""
_NOTIFICATION: Final = "id, kind, title, message, link, source_event_id, read, occurred_at"


class NewNotification(Struct, frozen=True):
    """A notification for an event, and its mail if it is also sent by e-mail."""

    event: InboundEvent
    draft: NotificationDraft
    email: EmailText | None


async def insert_notifications(
    tx: Transaction, notifications: Sequence[NewNotification], *, mails_are_sent: bool
) -> None:
    """Insert notifications and their mails, each once for its event, account and kind.

    Without a mail server, mails are only stored. Two kinds still wait for the job `send-mails`: one that reports a
    state, which it marks as superseded if there is a newer notification with the same `about`, and one with a link,
    for which it requests a token.
    """
    # In a fixed order, so that concurrent transactions cannot deadlock.
    ordered = sorted(notifications, key=lambda new: (new.event.id, new.draft.account_id, new.draft.kind))
    ids = [new_id() for _ in ordered]
    mails = [(id_, new, new.email) for id_, new in zip(ids, ordered, strict=True) if new.email is not None]
    await tx.execute(
        _INSERT,
        ids,
        [new.draft.account_id for new in ordered],
        [new.event.id for new in ordered],
        [new.draft.kind for new in ordered],
        [new.draft.title for new in ordered],
        [new.draft.message for new in ordered],
        [new.draft.link for new in ordered],
        [new.draft.about for new in ordered],
        [new.event.envelope.source for new in ordered],
        [new.event.envelope.time for new in ordered],
        [new.event.position for new in ordered],
        [new_id() for _ in mails],
        [notification_id for notification_id, _, _ in mails],
        [new.draft.reports_state for _, new, _ in mails],
        [email.subject for _, _, email in mails],
        [email.body for _, _, email in mails],
        [new.event.envelope.traceparent for _, new, _ in mails],
        [new.event.envelope.correlation_id for _, new, _ in mails],
        [new.draft.mail_link.id if new.draft.mail_link else None for _, new, _ in mails],
        [email.html for _, _, email in mails],
        mails_are_sent,
    )


async def list_notifications(db: Executor, account_id: UUID, *, limit: int, cursor: str | None) -> NotificationPage:
    """List an account's notifications, the newest event first, and count the unread ones up to `_MAX_UNREAD`."""
    listed = ("notifications", account_id)
    last = decode_cursor(listed, cursor, datetime, int, UUID) if cursor else (None, None, None)
    rows = await db.fetch(
        f"""
        SELECT {_NOTIFICATION}, position FROM notifications
         WHERE account_id = $1 AND ($2::timestamptz IS NULL OR (occurred_at, position, id) < ($2, $3::bigint, $4::uuid))
         ORDER BY occurred_at DESC, position DESC, id DESC LIMIT $5
        """,  # noqa: S608  constant columns
        account_id,
        *last,
        limit + 1,
    )
    items = [_notification(row) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = encode_cursor(listed, items[-1].created_at, rows[limit - 1]["position"], items[-1].id)
    unread = await db.fetchval(
        "SELECT count(*) FROM (SELECT FROM notifications WHERE account_id = $1 AND NOT read LIMIT $2) AS unread",
        account_id,
        _MAX_UNREAD,
    )
    return NotificationPage(items, more, unread)


def _notification(row: Row) -> Notification:
    return Notification(*list(row.values())[: len(Notification.__struct_fields__)])


async def mark_read(tx: Transaction, notification_id: UUID, account_id: UUID) -> Notification | None:
    """Mark an account's notification as read and return it, or None if the account has no such notification."""
    row = await tx.fetchrow(
        f"""
        UPDATE notifications SET read = true, changed_in = pg_current_xact_id()
         WHERE id = $1 AND account_id = $2 RETURNING {_NOTIFICATION}
        """,  # noqa: S608
        notification_id,
        account_id,
    )
    return None if row is None else _notification(row)


async def mark_all_read(tx: Transaction, account_id: UUID) -> int:
    """Mark up to `_MAX_MARKED` notifications of an account as read; return how many were unread before."""
    tag = await tx.execute(
        """
        UPDATE notifications SET read = true, changed_in = pg_current_xact_id()
         WHERE id IN (SELECT id FROM notifications WHERE account_id = $1 AND NOT read ORDER BY id LIMIT $2)
        """,
        account_id,
        _MAX_MARKED,
    )
    return int(tag.rpartition(" ")[2])
