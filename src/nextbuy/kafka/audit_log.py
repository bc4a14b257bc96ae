"""What operators did: written in the transaction of the act, so that neither is without the other."""

import getpass
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.values import Page, Timestamp, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Transaction

_PAGE: Final = """
    SELECT id, at, who, what, subject, details FROM audit WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
"""


class Entry(Struct, frozen=True):
    """One act: `who` is an account's id, or `terminal:` and a user of the machine; `subject` is what it was done to."""

    id: UUID
    at: Timestamp
    who: str
    what: str
    subject: str
    details: dict[str, Any]


def at_the_terminal() -> str:
    """Return who types, as far as the machine knows."""
    return f"terminal:{getpass.getuser()}"


async def note(tx: Transaction, who: str, what: str, subject: str, **details: object) -> None:
    """Write down an act, as part of it."""
    await tx.execute(
        "INSERT INTO audit (id, who, what, subject, details) VALUES ($1, $2, $3, $4, $5)",
        new_id(),
        who,
        what,
        subject,
        msgspec.json.encode(details).decode(),
    )


async def entries(reader: Executor, limit: int, cursor: str | None = None) -> Page[Entry]:
    """Return a part of the audit, the latest first.

    Raises:
        Unprocessable: the cursor is invalid.
    """
    rows = await reader.fetch(_PAGE, decode_cursor(cursor, UUID)[0] if cursor else None, limit + 1)
    found = [Entry(**dict(row, details=msgspec.json.decode(row["details"]))) for row in rows[:limit]]
    return Page(found, encode_cursor(found[-1].id) if len(rows) > limit else None)
