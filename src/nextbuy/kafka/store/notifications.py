"""The SQL of what sellers and buyers are told, and of the mails that say the same."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import Notification, new_id
from nextbuy.kafka.drafts import EmailText, NotificationDraft
from nextbuy.kafka.model import Notifications
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction

_COUNTED: Final = 1_000
_AT_ONCE: Final = 10_000

_KEEP: Final = """
    WITH made AS (
        INSERT INTO notifications (id, account_id, source_event_id, kind, title, message, link)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
        ON CONFLICT DO NOTHING RETURNING id, account_id, source_event_id, kind
    )
    INSERT INTO mails (id, account_id, source_event_id, kind, subject, body, traceparent, correlation_id)
    SELECT letter.id, account_id, source_event_id, kind, subject, body, traceparent, correlation_id
      FROM made JOIN unnest($8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[])
           AS letter (id, notification_id, subject, body, traceparent, correlation_id)
        ON letter.notification_id = made.id
    ON CONFLICT DO NOTHING
"""


async def keep(tx: Transaction, told: Sequence[tuple[Envelope, NotificationDraft, EmailText | None]]) -> None:
    """Write notices of events, and the mails of those that are mailed; each once for its event, account and kind."""
    ordered = sorted(told, key=lambda row: (row[0].id, row[1].account_id, row[1].kind))
    ids = [new_id() for _ in ordered]
    letters = [
        (made, letter, envelope) for made, (envelope, _, letter) in zip(ids, ordered, strict=True) if letter is not None
    ]
    await tx.execute(
        _KEEP,
        ids,
        [notice.account_id for _, notice, _ in ordered],
        [envelope.id for envelope, _, _ in ordered],
        [notice.kind for _, notice, _ in ordered],
        [notice.title for _, notice, _ in ordered],
        [notice.message for _, notice, _ in ordered],
        [notice.link for _, notice, _ in ordered],
        [new_id() for _ in letters],
        [made for made, _, _ in letters],
        [letter.subject for _, letter, _ in letters],
        [letter.body for _, letter, _ in letters],
        [envelope.traceparent for _, _, envelope in letters],
        [envelope.correlation_id for _, _, envelope in letters],
    )


_NOTIFICATION: Final = "id, kind, title, message, link, source_event_id, read, created_at"


async def of_account(db: Executor, account_id: UUID, *, limit: int, cursor: str | None) -> Notifications:
    """Return what an account was told, newest first; `Unprocessable` for a cursor that is none."""
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
        _COUNTED,
    )
    return Notifications(items, encode_cursor(items[-1].id) if len(rows) > limit else None, unread)


def _notification(row: Row) -> Notification:
    return Notification(*row.values())


async def mark_read(tx: Transaction, notification_id: UUID, account_id: UUID) -> Notification | None:
    """Mark an account's notification as read and return it; None where it is not there or another's."""
    row = await tx.fetchrow(
        f"""
        UPDATE notifications SET read = true WHERE id = $1 AND account_id = $2 RETURNING {_NOTIFICATION}
        """,  # noqa: S608  constant columns
        notification_id,
        account_id,
    )
    return None if row is None else _notification(row)


async def mark_all_read(tx: Transaction, account_id: UUID) -> int:
    """Mark what an account was told as read, ten thousand at most; return how many were not."""
    tag = await tx.execute(
        """
        UPDATE notifications SET read = true
         WHERE id IN (SELECT id FROM notifications WHERE account_id = $1 AND NOT read ORDER BY id LIMIT $2)
        """,
        account_id,
        _AT_ONCE,
    )
    return int(tag.rpartition(" ")[2])
