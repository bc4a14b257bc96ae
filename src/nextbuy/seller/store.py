"""The SQL of shops, their sellers, and the decisions of admins about them."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from nextbuy.contracts.seller import Seller, Shop
from nextbuy.contracts.text import look_alike_key
from nextbuy.contracts.values import Page, ShopStatus
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Row, Transaction, from_row
from nextbuy.seller.model import PublicShop

_MAX_COUNTED: Final = 1_000
_SHOP: Final = "id, name, slug, bio, category, public_status AS status, seller_id, version, contact"
_PUBLIC_SHOP: Final = f"{_SHOP}, created_at"
_SELLER: Final = f"{_SHOP}, seller_name, seller_email, submitted_at, account_suspended"


def _seller(row: Row) -> Seller:
    shop = from_row(Shop, row)
    return Seller(
        shop.seller_id,
        row["seller_name"],
        row["seller_email"],
        shop,
        row["submitted_at"],
        account_suspended=row["account_suspended"],
    )


async def insert_shop(
    tx: Transaction, shop: Shop, *, seller_name: str, seller_email: str
) -> Literal["seller", "name"] | None:
    """Insert a shop; if its seller already has one or its name is taken, return which of the two, else None.

    The row of the seller's account status is locked, so that a concurrent suspension is not missed.
    """
    row = await tx.fetchrow(
        """
        WITH account AS (
            INSERT INTO account_statuses AS a (account_id, suspended, position) VALUES ($2, false, 0)
            ON CONFLICT (account_id) DO UPDATE SET position = a.position RETURNING suspended
        )
        INSERT INTO shops (
            id, seller_id, seller_name, seller_email, name, name_key, slug, bio, category, account_suspended
        )
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, suspended FROM account ON CONFLICT DO NOTHING RETURNING id
        """,
        shop.id,
        shop.seller_id,
        seller_name,
        seller_email,
        shop.name,
        look_alike_key(shop.name),
        shop.slug,
        shop.bio,
        shop.category,
    )
    if row is not None:
        return None
    return "seller" if await get_by_seller(tx, shop.seller_id) else "name"


async def apply_again(tx: Transaction, shop: Shop) -> Shop | None:
    """Give the rejected shop of a seller the texts of `shop`, pending again; None if the shop is not rejected.

    The statement violates a unique index if another shop has the name (`refuse_duplicate`).
    """
    row = await tx.fetchrow(
        f"""
        UPDATE shops SET name = $2, slug = $3, bio = $4, category = $5, name_key = $6, status = 'pending',
                         submitted_at = now(), version = version + 1
         WHERE seller_id = $1 AND status = 'rejected' RETURNING {_SHOP}
        """,  # noqa: S608  constant columns
        shop.seller_id,
        shop.name,
        shop.slug,
        shop.bio,
        shop.category,
        look_alike_key(shop.name),
    )
    return None if row is None else Shop(**row)


async def update_shop(tx: Transaction, shop: Shop) -> Shop:
    """Store the texts of a locked shop, and return it with its new version.

    The statement violates a unique index if another shop has the name (`refuse_duplicate`).
    """
    [row] = await tx.fetch(
        f"""
        UPDATE shops SET name = $2, name_key = $3, bio = $4, category = $5, contact = $6, version = version + 1
         WHERE id = $1 RETURNING {_SHOP}
        """,  # noqa: S608  constant columns
        shop.id,
        shop.name,
        look_alike_key(shop.name),
        shop.bio,
        shop.category,
        shop.contact,
    )
    return Shop(**row)


async def get_by_seller(db: Executor, seller_id: UUID) -> Shop | None:
    """Return a seller's shop, or None."""
    row = await db.fetchrow(f"SELECT {_SHOP} FROM shops WHERE seller_id = $1", seller_id)  # noqa: S608  constant columns
    return None if row is None else Shop(**row)


async def get_public_shop(db: Executor, key: UUID | str) -> PublicShop | None:
    """Return a shop in any status by its id or slug, as the public sees it, or None."""
    column = "id" if isinstance(key, UUID) else "slug"
    row = await db.fetchrow(f"SELECT {_PUBLIC_SHOP} FROM shops WHERE {column} = $1", key)  # noqa: S608  constants
    return None if row is None else PublicShop(**row)


async def get_approved_shops(db: Executor, shop_ids: list[UUID]) -> dict[UUID, PublicShop]:
    """Return the approved shops among these ids."""
    sql = f"SELECT {_PUBLIC_SHOP} FROM shops WHERE id = ANY($1) AND public_status = 'approved'"  # noqa: S608  constants
    return {row["id"]: PublicShop(**row) for row in await db.fetch(sql, shop_ids)}


async def get_shops(db: Executor, shop_ids: list[UUID]) -> list[Shop]:
    """Return the shops with these ids, in any order; unknown ids are left out."""
    rows = await db.fetch(f"SELECT {_SHOP} FROM shops WHERE id = ANY($1)", shop_ids)  # noqa: S608  constant columns
    return [Shop(**row) for row in rows]


async def lock_seller(tx: Transaction, seller_id: UUID) -> tuple[Seller, ShopStatus] | None:
    """Return a seller and the last decision, locked until the transaction ends, or None.

    The decision differs from the status of the shop while the account is suspended.
    """
    row = await tx.fetchrow(
        f"SELECT {_SELLER}, shops.status AS decision FROM shops WHERE seller_id = $1 FOR UPDATE",  # noqa: S608
        seller_id,
    )
    return None if row is None else (_seller(row), row["decision"])


async def store_account_status(tx: Transaction, account_id: UUID, *, suspended: bool, position: int) -> bool:
    """Store the status of an account; return False if the same or a later position is stored."""
    return bool(
        await tx.fetchval(
            """
            INSERT INTO account_statuses AS a (account_id, suspended, position) VALUES ($1, $2, $3)
            ON CONFLICT (account_id) DO UPDATE SET suspended = excluded.suspended, position = excluded.position
             WHERE a.position < excluded.position
            RETURNING true
            """,
            account_id,
            suspended,
            position,
        )
    )


async def set_account_suspended(tx: Transaction, account_id: UUID, *, suspended: bool) -> Seller | None:
    """Store in its shop whether an account is suspended; return the seller if the status of the shop has changed."""
    row = await tx.fetchrow(
        f"""
        UPDATE shops SET account_suspended = $2, version = version + CASE WHEN status = 'approved' THEN 1 ELSE 0 END
         WHERE seller_id = $1 AND account_suspended <> $2 RETURNING {_SELLER}, shops.status AS decision
        """,  # noqa: S608  constant columns
        account_id,
        suspended,
    )
    return _seller(row) if row is not None and row["decision"] == "approved" else None


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
    listed = ("sellers", status)
    after = decode_cursor(listed, cursor, datetime, UUID) if cursor else (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_SELLER} FROM shops
         WHERE public_status = $1 AND ($2::timestamptz IS NULL OR (submitted_at, id) > ($2, $3::uuid))
         ORDER BY submitted_at, id LIMIT $4
        """,  # noqa: S608  constant columns
        status,
        *after,
        limit + 1,
    )
    sellers = [_seller(row) for row in rows[:limit]]
    has_next = len(rows) > limit
    return Page(sellers, encode_cursor(listed, sellers[-1].submitted_at, sellers[-1].shop.id) if has_next else None)


async def count_pending(db: Executor) -> int:
    """Return the number of shops that wait for a decision, at most `_MAX_COUNTED`."""
    sql = "SELECT count(*) FROM (SELECT FROM shops WHERE public_status = 'pending' LIMIT $1) AS pending"
    return int(await db.fetchval(sql, _MAX_COUNTED))
