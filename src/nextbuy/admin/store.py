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

_LIST: Final = ("admin-notifications",)
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
    INSERT INTO notifications (id, source_event_id, kind, title, message, link, occurred_at, position)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                         $8::bigint[])
    ON CONFLICT DO NOTHING
"""
_COUNT_PRODUCTS: Final = f"""
    INSERT INTO notifications AS n
           (id, source_event_id, kind, title, message, link, occurred_at, position, shop_id, day, products)
    SELECT id, event_id, '{NEW_PRODUCTS}', title, '', link, occurred_at, position, shop_id, day, products
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::uuid[],
                  $8::date[], $9::int[])
           AS new (id, event_id, title, link, occurred_at, position, shop_id, day, products)
    ON CONFLICT (shop_id, day) DO UPDATE
       SET products = n.products + excluded.products, changed_in = excluded.changed_in,
           (source_event_id, title, link, occurred_at, position) = (
               SELECT latest.* FROM (VALUES (n.source_event_id, n.title, n.link, n.occurred_at, n.position),
                   (excluded.source_event_id, excluded.title, excluded.link, excluded.occurred_at, excluded.position)
               ) AS latest (event_id, title, link, occurred_at, position)
               ORDER BY latest.occurred_at DESC, latest.position DESC LIMIT 1
           )
"""  # noqa: S608  a constant of our own


class NewProducts(Struct, frozen=True):
    """The new products of a shop on a day (UTC), and the latest of their events."""

    shop_id: UUID
    day: date
    products: int
    title: str
    event_id: UUID
    occurred_at: datetime
    position: int
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
        [draft.position for draft in ordered],
    )


async def count_products(tx: Transaction, new: Sequence[NewProducts]) -> None:
    """Add new products to the notification of each shop and day, or insert it."""
    ordered = sorted(new, key=lambda counted: (counted.shop_id, counted.day))
    await tx.execute(
        _COUNT_PRODUCTS,
        [new_id() for _ in ordered],
        [counted.event_id for counted in ordered],
        [counted.title for counted in ordered],
        [counted.link for counted in ordered],
        [counted.occurred_at for counted in ordered],
        [counted.position for counted in ordered],
        [counted.shop_id for counted in ordered],
        [counted.day for counted in ordered],
        [counted.products for counted in ordered],
    )


async def list_notifications(db: Executor, account_id: UUID, *, limit: int, cursor: str | None) -> Page[Notification]:
    """List notifications with the read marks of one admin, the newest event first."""
    before = decode_cursor(_LIST, cursor, datetime, int, UUID) if cursor else (None, None, None)
    rows = await db.fetch(
        f"""
        SELECT {_NOTIFICATION}, products, day, position FROM notifications AS n
         WHERE $2::timestamptz IS NULL OR (occurred_at, position, id) < ($2, $3::bigint, $4::uuid)
         ORDER BY occurred_at DESC, position DESC, id DESC LIMIT $5
        """,  # noqa: S608  constant columns
        account_id,
        *before,
        limit + 1,
    )
    page = [_notification(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(page, None)
    return Page(page, encode_cursor(_LIST, page[-1].created_at, rows[limit - 1]["position"], page[-1].id))


async def mark_read(tx: Transaction, account_id: UUID, notification_id: UUID) -> Notification | None:
    """Mark a notification as read by one admin and return it, or None if it does not exist."""
    row = await tx.fetchrow(
        f"SELECT {_NOTIFICATION}, products, day FROM notifications AS n WHERE id = $2 FOR SHARE",  # noqa: S608
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
    """Count the notifications that an admin has not read, up to `_MAX_UNREAD`; new products do not count."""
    count: int = await db.fetchval(
        f"SELECT count(*) FROM (SELECT FROM notifications AS n WHERE {_COUNTS} LIMIT $2) AS unread",  # noqa: S608
        account_id,
        _MAX_UNREAD,
    )
    return count


async def mark_all_read(tx: Transaction, account_id: UUID) -> int:
    """Mark up to `_MAX_MARKED` notifications as read by one admin; return by how many this lowers `count_unread`."""
    counted: int = await tx.fetchval(
        f"""
        WITH marked AS (
            INSERT INTO notification_reads (account_id, notification_id)
            SELECT $1, id FROM notifications AS n WHERE NOT {_READ} ORDER BY kind = '{NEW_PRODUCTS}', id LIMIT $2
            ON CONFLICT DO NOTHING RETURNING notification_id
        )
        SELECT count(*) FROM marked JOIN notifications AS n ON id = notification_id WHERE kind <> '{NEW_PRODUCTS}'
        """,  # noqa: S608
        account_id,
        _MAX_MARKED,
    )
    return counted


def _notification(row: Row, *, read: bool | None = None) -> Notification:
    fields, products = list(row.values())[: len(Notification.__struct_fields__)], row["products"]
    if products is not None:
        fields[3] = f"{products} new product{'' if products == 1 else 's'} on {row['day']:%B %-d, %Y} (UTC)."
    if read is not None:
        fields[6] = read
    return Notification(*fields)
