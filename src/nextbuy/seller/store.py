"""The SQL of shops, their sellers, and the decisions of admins about them."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from nextbuy.contracts.seller import Seller, Shop
from nextbuy.contracts.values import Page, ShopStatus
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction, from_row

_SHOP: Final = "id, name, slug, bio, category, status, seller_id, version"
_SELLER: Final = f"{_SHOP}, seller_name, seller_email, submitted_at"


def _seller(row: Row) -> Seller:
    shop = from_row(Shop, row)
    return Seller(shop.seller_id, row["seller_name"], row["seller_email"], shop, row["submitted_at"])


async def insert_shop(
    tx: Transaction, shop: Shop, *, seller_name: str, seller_email: str
) -> Literal["seller", "name"] | None:
    """Insert a shop; if its seller already has one or its name is taken, return which of the two, else None."""
    row = await tx.fetchrow(
        """
        INSERT INTO shops (id, seller_id, seller_name, seller_email, name, slug, bio, category)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
        """,
        shop.id,
        shop.seller_id,
        seller_name,
        seller_email,
        shop.name,
        shop.slug,
        shop.bio,
        shop.category,
    )
    if row is not None:
        return None
    return "seller" if await get_by_seller(tx, shop.seller_id) else "name"


async def get_by_seller(db: Executor, seller_id: UUID) -> Shop | None:
    """Return a seller's shop, or None."""
    row = await db.fetchrow(f"SELECT {_SHOP} FROM shops WHERE seller_id = $1", seller_id)  # noqa: S608  constant columns
    return None if row is None else Shop(**row)


async def get_shops(db: Executor, shop_ids: list[UUID]) -> list[Shop]:
    """Return the shops with these ids, in any order; unknown ids are left out."""
    rows = await db.fetch(f"SELECT {_SHOP} FROM shops WHERE id = ANY($1)", shop_ids)  # noqa: S608  constant columns
    return [Shop(**row) for row in rows]


async def lock_seller(tx: Transaction, seller_id: UUID) -> Seller | None:
    """Return a seller and lock the row until the transaction ends, or return None."""
    row = await tx.fetchrow(f"SELECT {_SELLER} FROM shops WHERE seller_id = $1 FOR UPDATE", seller_id)  # noqa: S608
    return None if row is None else _seller(row)


async def set_status(tx: Transaction, shop_id: UUID, status: ShopStatus, *, reason: str, by: UUID) -> Seller:
    """Store a decision and the new status of its shop."""
    row = await tx.fetchrow(
        f"""
        WITH decided AS (INSERT INTO decisions (shop_id, decision, reason, decided_by) VALUES ($1, $2, $3, $4))
        UPDATE shops SET status = $2, version = version + 1 WHERE id = $1 RETURNING {_SELLER}
        """,  # noqa: S608  constant columns
        shop_id,
        status,
        reason,
        by,
    )
    if row is None:
        raise LookupError(f"shop {shop_id} does not exist")
    return _seller(row)


async def list_sellers(db: Executor, status: ShopStatus, *, limit: int, cursor: str | None) -> Page[Seller]:
    """List the sellers in a status, oldest first."""
    after = decode_cursor(cursor, datetime, UUID) if cursor else (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_SELLER} FROM shops
         WHERE status = $1 AND ($2::timestamptz IS NULL OR (submitted_at, id) > ($2, $3::uuid))
         ORDER BY submitted_at, id LIMIT $4
        """,  # noqa: S608  constant columns
        status,
        *after,
        limit + 1,
    )
    sellers = [_seller(row) for row in rows[:limit]]
    has_next = len(rows) > limit
    return Page(sellers, encode_cursor(sellers[-1].submitted_at, sellers[-1].shop.id) if has_next else None)
