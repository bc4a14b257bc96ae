"""The SQL of baskets. A basket is one row, which each change locks."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement
from nextbuy.kit.wire import encode
from nextbuy.order.basket_rules import NO_VERSION, StoredLine


class Basket(Struct, frozen=True):
    """A basket; `id` is None and `version` is `NO_VERSION` if it does not exist."""

    id: UUID | None = None
    version: str = NO_VERSION
    lines: Sequence[StoredLine] = ()
    token_hash: bytes | None = None
    """Of a guest's basket."""


NO_BASKET: Final = Basket()
_COLUMNS: Final = "id, version, lines, token_hash"
_lines: Final = msgspec.json.Decoder(list[StoredLine]).decode


def _from_row(row: Row | None) -> Basket:
    if row is None:
        return NO_BASKET
    return Basket(row["id"], row["version"].hex, _lines(row["lines"]), row["token_hash"])


def _json(lines: Sequence[StoredLine]) -> str:
    return encode(lines).decode()


async def find(db: Executor, buyer_id: UUID | None, token_hashes: Sequence[bytes]) -> tuple[Basket, list[Basket]]:
    """Return the basket of a buyer, and the baskets of guests in the order of their tokens."""
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM baskets WHERE account_id = $1 OR token_hash = ANY($2::bytea[])",  # noqa: S608
        buyer_id,
        token_hashes,
    )
    baskets = [_from_row(row) for row in rows]
    own = next((basket for basket in baskets if basket.token_hash is None), NO_BASKET)
    guests = {basket.token_hash: basket for basket in baskets if basket.token_hash is not None}
    return own, [guests[one] for one in dict.fromkeys(token_hashes) if one in guests]


async def lock_own(tx: Transaction, buyer_id: UUID) -> Basket:
    """Lock and return the basket of a buyer."""
    sql = f"SELECT {_COLUMNS} FROM baskets WHERE account_id = $1 FOR NO KEY UPDATE"  # noqa: S608
    return _from_row(await tx.fetchrow(sql, buyer_id))


async def lock_guests(tx: Transaction, token_hashes: Sequence[bytes]) -> list[Basket]:
    """Lock and return the baskets of guests, in a fixed order."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM baskets WHERE token_hash = ANY($1::bytea[]) ORDER BY id FOR UPDATE",  # noqa: S608
        token_hashes,
    )
    return [_from_row(row) for row in rows]


async def create(
    tx: Transaction, lines: Sequence[StoredLine], *, buyer_id: UUID | None, token_hash: bytes | None
) -> tuple[Basket, bool]:
    """Create a basket and return it, and whether it is new: a buyer may have one already, which is then locked."""
    basket_id = new_id()
    row = await tx.fetchrow(
        f"""
        INSERT INTO baskets (id, account_id, token_hash, version, lines) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id
        RETURNING {_COLUMNS}
        """,  # noqa: S608
        basket_id,
        buyer_id,
        token_hash,
        new_id(),
        _json(lines),
    )
    basket = _from_row(row)
    return basket, basket.id == basket_id


async def update(tx: Transaction, basket: Basket, lines: Sequence[StoredLine]) -> Basket:
    """Store the lines of a locked basket, and return it with its new version."""
    version = new_id()
    await tx.execute(
        "UPDATE baskets SET lines = $2, version = $3, changed_at = now() WHERE id = $1",
        basket.id,
        _json(lines),
        version,
    )
    return Basket(basket.id, version.hex, lines, basket.token_hash)


async def delete(tx: Transaction, basket: Basket) -> None:
    """Delete a locked basket."""
    await tx.execute("DELETE FROM baskets WHERE id = $1", basket.id)


_PURGE: Final = purge_statement(
    "baskets", "changed_at", "now() - interval '30 days'", partition="token_hash IS NOT NULL"
)


async def purge_guest_baskets(db: Database) -> None:
    """Delete the baskets of guests that were not changed for as long as their cookies live."""
    await purge(db, _PURGE, FIRST_MOMENT)
