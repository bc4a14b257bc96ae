"""The SQL of saved postal addresses."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import asdict

from nextbuy.auth.model import MAX_ADDRESSES, SavedAddress
from nextbuy.kit.storage.database import Executor, Transaction

_FIELDS: Final = "id, full_name, line1, city, postal_code, country"


async def list_addresses(db: Executor, account_id: UUID) -> list[SavedAddress]:
    """Return the postal addresses of an account, newest first."""
    rows = await db.fetch(
        f"SELECT {_FIELDS} FROM addresses WHERE account_id = $1 ORDER BY id DESC LIMIT $2",  # noqa: S608  constants
        account_id,
        MAX_ADDRESSES,
    )
    return [SavedAddress(**row) for row in rows]


async def insert_address(tx: Transaction, account_id: UUID, address: SavedAddress, *, at: datetime) -> bool:
    """Insert a postal address of an account that is locked; return False if it has as many as it may have."""
    return bool(
        await tx.fetchval(
            f"""
            INSERT INTO addresses (account_id, created_at, {_FIELDS})
            SELECT $1, $2, $4, $5, $6, $7, $8, $9
             WHERE (SELECT count(*) FROM addresses WHERE account_id = $1) < $3
            RETURNING true
            """,  # noqa: S608  constants
            account_id,
            at,
            MAX_ADDRESSES,
            *asdict(address).values(),
        )
    )


async def delete_address(tx: Transaction, address_id: UUID, account_id: UUID) -> bool:
    """Delete a postal address of an account; return False if the account has no such address."""
    tag = await tx.execute("DELETE FROM addresses WHERE id = $1 AND account_id = $2", address_id, account_id)
    return tag != "DELETE 0"
