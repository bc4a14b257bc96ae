"""Requests to deliver events from the event logs again: which events, to which destination, and the progress.

A process claims a request and works through the event logs in parts; each part stores the progress and extends the
lease.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.comparison import EventSelection
from nextbuy.contracts.values import Timestamp, new_id
from nextbuy.kit.audit_log import record
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.error_text import storable
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction, from_row
from nextbuy.kit.storage.leases import Leases

LEASES: Final = Leases("resends", seconds=120)
"""Longer than the delivery of one part may take (`run_resends.LATE_TIMEOUT`)."""
_COLUMNS: Final = "id, requested_by, requested_at, selection, destination, event_logs, events, blocked_by, finished_at"
_REQUEST: Final = f"""
    INSERT INTO resends (id, requested_by, selection, destination, event_logs) VALUES ($1, $2, $3, $4, '[]')
    RETURNING {_COLUMNS}
"""  # noqa: S608  made of constants, as all below
_CLAIM: Final = LEASES.claim_statement(order="due_at, id")
_SAVE: Final = f"""
    UPDATE resends SET event_logs = $3, events = $4, blocked_by = '',
           finished_at = CASE WHEN $5 THEN clock_timestamp() END, due_at = CASE WHEN NOT $5 THEN {LEASES.until} END
    WHERE {LEASES.held} RETURNING due_at
"""  # noqa: S608
_FAIL: Final = f"""
    UPDATE resends SET blocked_by = $3, finished_at = clock_timestamp(), due_at = NULL WHERE {LEASES.held}
"""  # noqa: S608
_BLOCK: Final = f"""
    UPDATE resends SET blocked_by = $3, due_at = now() + make_interval(secs => $4) WHERE {LEASES.held}
"""  # noqa: S608


class LogProgress(Struct, frozen=True):
    """How far a service's event log is read: up to `position`, of `last` (-1 before the first read)."""

    service: str
    position: int = 0
    last: int = -1
    done: bool = False


class Resend(Struct, frozen=True, kw_only=True):
    """A resend and its progress; an empty `destination` means all.

    `blocked_by` is the latest failure, or empty if the latest part was delivered. A resend that has failed keeps it.
    """

    id: UUID
    requested_by: str
    requested_at: Timestamp
    selection: EventSelection
    destination: str
    event_logs: list[LogProgress]
    events: int
    blocked_by: str
    finished_at: Timestamp | None


class ClaimedResend(Struct, frozen=True):
    """A resend that this process has claimed until `until`; None once it has ended."""

    resend: Resend
    until: datetime | None


class LeaseLost(Exception):
    """The loss of a lease: it ended, and another process has claimed the resend. Nothing was stored."""


async def request_resend(tx: Transaction, requested_by: str, selection: EventSelection, destination: str) -> Resend:
    """Request a resend of events up to now, and record it in the audit log."""
    bounded = selection if selection.until is not None else replace(selection, until=utc_now())
    encoded = msgspec.json.encode(bounded).decode()
    [row] = await tx.fetch(_REQUEST, new_id(), requested_by, encoded, destination)
    resend = _resend(row)
    await record(
        tx, requested_by, "resend", destination or "all", selection=msgspec.to_builtins(bounded), resend_id=resend.id
    )
    return resend


async def get_resend(db: Executor, resend_id: UUID) -> Resend:
    """Return a resend, which must exist."""
    [row] = await db.fetch(f"SELECT {_COLUMNS} FROM resends WHERE id = $1", resend_id)  # noqa: S608
    return _resend(row)


async def claim(database: Database) -> ClaimedResend | None:
    """Claim the resend that has waited longest and that no process works on, or return None."""
    row = await database.fetchrow(_CLAIM, 1)
    return None if row is None else ClaimedResend(_resend(row), row["due_at"])


async def save(db: Executor, claimed: ClaimedResend, event_logs: list[LogProgress], events: int) -> ClaimedResend:
    """Store the progress and extend the lease; a resend ends when all its event logs are done.

    Raises:
        LeaseLost: another process has claimed it.
    """
    saved = replace(claimed.resend, event_logs=event_logs, events=events)
    done = all(progress.done for progress in event_logs)
    encoded = msgspec.json.encode(event_logs).decode()
    rows = await db.fetch(_SAVE, [saved.id], claimed.until, encoded, events, done)
    if not rows:
        raise LeaseLost
    return ClaimedResend(saved, rows[0]["due_at"])


async def block(db: Executor, claimed: ClaimedResend, reason: str, delay: float) -> None:
    """Release a resend after a transient failure, to be claimed again in `delay` seconds."""
    if claimed.until is not None:
        await db.execute(_BLOCK, [claimed.resend.id], claimed.until, storable(reason), delay)


async def fail(db: Executor, claimed: ClaimedResend, reason: str) -> None:
    """End a resend that can never succeed, with the reason."""
    if claimed.until is not None:
        await db.execute(_FAIL, [claimed.resend.id], claimed.until, storable(reason))


async def release(db: Executor, claimed: ClaimedResend) -> None:
    """Release a resend that has not ended, to be claimed again at once."""
    if claimed.until is not None:
        await LEASES.release(db, [claimed.resend.id], claimed.until)


def _resend(row: Row) -> Resend:
    return from_row(
        Resend,
        row,
        selection=msgspec.json.decode(row["selection"], type=EventSelection),
        event_logs=msgspec.json.decode(row["event_logs"], type=list[LogProgress]),
    )
