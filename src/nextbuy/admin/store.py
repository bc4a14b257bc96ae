"""The SQL of admin: notifications, and which of them each admin has read."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.admin.drafts import NEW_PRODUCTS, NotificationDraft
from nextbuy.contracts.values import Notification, Page, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction
from nextbuy.kit.storage.retention import purge_statement

_MAX_UNREAD: Final = 1_000
"""The highest number of unread notifications that is counted."""
_MAX_MARKED: Final = 10_000
"""Notifications marked as read in one statement, to bound the time it takes."""
PURGE: Final = purge_statement("notifications", "created_at", "now() - interval '90 days'")
"""Deletes notifications that are older than 90 days; see `retention.purge`."""

_READ: Final = """
    EXISTS (SELECT FROM notification_reads AS r WHERE r.notification_id = n.id AND r.account_id = $1)
"""
_NOTIFICATION: Final = f"id, kind, title, message, link, source_event_id, {_READ} AS read, occurred_at"
_COUNTS: Final = f"n.kind <> '{NEW_PRODUCTS}' AND NOT {_READ}"

_INSERT: Final = """
    INSERT INTO notifications (id, source_event_id, kind, title, message, link, occurred_at)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
    ON CONFLICT DO NOTHING
"""
_COUNT_PRODUCTS: Final = f"""
    INSERT INTO notifications AS n
           (id, source_event_id, kind, title, message, link, occurred_at, shop_id, day, products)
    SELECT id, event_id, '{NEW_PRODUCTS}', '', '', link, occurred_at, shop_id, day, products
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::uuid[], $6::date[], $7::int[])
           AS new (id, event_id, link, occurred_at, shop_id, day, products)
    ON CONFLICT (shop_id, day) DO UPDATE
       SET products = n.products + excluded.products, occurred_at = greatest(n.occurred_at, excluded.occurred_at),
           source_event_id = CASE WHEN excluded.occurred_at >= n.occurred_at
                                  THEN excluded.source_event_id ELSE n.source_event_id END,
           link = CASE WHEN excluded.occurred_at >= n.occurred_at THEN excluded.link ELSE n.link END
"""  # noqa: S608  a constant of our own


class NewProducts(Struct, frozen=True):
    """The new products of a shop on a day (UTC), and the latest of their events."""

    shop_id: UUID
    day: date
    products: int
    event_id: UUID
    occurred_at: datetime
    link: str


async def insert_notifications(tx: Transaction, drafts: Sequence[NotificationDraft]) -> None:
    """Insert notifications, each once for its event and kind."""
    # In a fixed order, so that concurrent transactions cannot deadlock.
    ordered = sorted(drafts, key=lambda draft: (draft.source_event_id, draft.kind))
    await tx.execute(
        _INSERT,
        [new_id() for _ in ordered],
        [draft.source_event_id for draft in ordered],
        [draft.kind for draft in ordered],
        [draft.title for draft in ordered],
        [draft.message for draft in ordered],
        [draft.link for draft in ordered],
        [draft.occurred_at for draft in ordered],
    )


async def count_products(tx: Transaction, new: Sequence[NewProducts]) -> None:
    """Add to the notifications that count new products, one for each shop and day."""
    ordered = sorted(new, key=lambda one: (one.shop_id, one.day))
    await tx.execute(
        _COUNT_PRODUCTS,
        [new_id() for _ in ordered],
        [one.event_id for one in ordered],
        [one.link for one in ordered],
        [one.occurred_at for one in ordered],
        [one.shop_id for one in ordered],
        [one.day for one in ordered],
        [one.products for one in ordered],
    )


async def list_notifications(db: Executor, account_id: UUID, *, limit: int, cursor: str | None) -> Page[Notification]:
    """List notifications as one admin sees them, by the time of their events, newest first."""
    before = decode_cursor(cursor, datetime, UUID) if cursor else (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_NOTIFICATION}, products FROM notifications AS n
         WHERE $2::timestamptz IS NULL OR (occurred_at, id) < ($2, $3::uuid)
         ORDER BY occurred_at DESC, id DESC LIMIT $4
        """,  # noqa: S608  constant columns
        account_id,
        *before,
        limit + 1,
    )
    page = [_notification(row) for row in rows[:limit]]
    return Page(page, encode_cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None)


async def mark_read(tx: Transaction, account_id: UUID, notification_id: UUID) -> Notification | None:
    """Mark a notification as read by one admin and return it, or None if it does not exist."""
    row = await tx.fetchrow(
        f"SELECT {_NOTIFICATION}, products FROM notifications AS n WHERE id = $2 FOR SHARE",  # noqa: S608
        account_id,
        notification_id,
    )
    if row is None:
        return None
    await tx.execute(
        "INSERT INTO notification_reads (account_id, notification_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        account_id,
        notification_id,
    )
    return _notification(row, read=True)


async def count_unread(db: Executor, account_id: UUID) -> int:
    """Count the notifications that wait for one admin, up to `_MAX_UNREAD`; new products do not count."""
    count: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT FROM notifications AS n WHERE {_COUNTS} LIMIT $2) AS unread",  # noqa: S608
        account_id,
        _MAX_UNREAD,
    )
    return count


async def mark_all_read(tx: Transaction, account_id: UUID) -> int:
    """Mark up to `_MAX_MARKED` notifications as read by one admin; return how many were unread before."""
    tag = await tx.execute(
        f"""
        INSERT INTO notification_reads (account_id, notification_id)
        SELECT $1, id FROM notifications AS n WHERE NOT {_READ} ORDER BY id LIMIT $2 ON CONFLICT DO NOTHING
        """,  # noqa: S608
        account_id,
        _MAX_MARKED,
    )
    return int(tag.rpartition(" ")[2])


def _notification(row: Row, *, read: bool | None = None) -> Notification:
    fields = list(row.values())
    products = fields.pop()
    if products is not None:
        fields[2] = "New products"
        fields[3] = f"A shop has listed {products} new product{'' if products == 1 else 's'} on this day."
    if read is not None:
        fields[6] = read
    return Notification(*fields)
