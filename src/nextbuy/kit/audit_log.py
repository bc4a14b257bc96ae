"""The audit log of operators: each entry is stored in the transaction of the operation that it records.

It is published too, and the admin service stores the entries of all services.
"""

import getpass
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.operator import MAX_DETAIL, operator_acted_of
from nextbuy.contracts.values import Page, Timestamp, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Transaction

_PAGE: Final = """
    SELECT id, at, actor, action, subject, details FROM audit
     WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
"""


class AuditEntry(Struct, frozen=True):
    """An operation: `actor` is an account's id or `terminal:USER`, `subject` an id or a name."""

    id: UUID
    at: Timestamp
    actor: str
    action: str
    subject: str
    details: dict[str, Any]


def terminal_actor() -> str:
    """Return the actor of a command: `terminal:` and the user of the operating system."""
    return f"terminal:{getpass.getuser()}"


async def record(  # noqa: PLR0913  what an audit asks for
    tx: Transaction,
    actor: str,
    action: str,
    subject: str,
    *,
    before: str = "",
    after: str = "",
    reason: str = "",
    **details: object,
) -> None:
    """Store an entry in the transaction of the operation, and publish it for the audit of all services."""
    states = {name: text for name, text in (("before", before), ("after", after), ("reason", reason)) if text}
    entry_id = new_id()
    await tx.execute(
        "INSERT INTO audit (id, actor, action, subject, details) VALUES ($1, $2, $3, $4, $5)",
        entry_id,
        actor,
        action,
        subject,
        msgspec.json.encode(states | details).decode(),
    )
    await publish(
        tx,
        operator_acted_of(tx.service)(
            act_id=entry_id,
            actor=actor,
            action=action,
            subject=subject,
            before=before,
            after=after,
            reason=reason,
            details={name: _as_text(value)[:MAX_DETAIL] for name, value in details.items()},
        ),
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def list_entries(db: Executor, service: str, limit: int, cursor: str | None = None) -> Page[AuditEntry]:
    """Return a page of the audit log of a service, newest first.

    Raises:
        Unprocessable: the cursor is invalid.
    """
    listed = ("audit", service)
    rows = await db.fetch(_PAGE, decode_cursor(listed, cursor, UUID)[0] if cursor else None, limit + 1)
    entries = [AuditEntry(**dict(row, details=msgspec.json.decode(row["details"]))) for row in rows[:limit]]
    return Page(entries, encode_cursor(listed, entries[-1].id) if len(rows) > limit else None)
