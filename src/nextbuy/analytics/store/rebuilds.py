"""The SQL of rebuilds: requests, leases and progress. Each step stores its progress and extends the lease.

A process that stalls loses the lease; its next step then fails and stores nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.values import Timestamp, new_id
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.leases import Leases

State = Literal["requested", "reading", "clearing", "done", "failed"]

LEASES: Final = Leases("rebuilds", seconds=10)
"""Much longer than a step, which takes about a second."""

_COLUMNS: Final = (
    "id, name, requested_by, state, generation, obsolete, event_logs, events, requested_at, ended_at, error"
)
_REQUEST: Final = f"""
INSERT INTO rebuilds (id, name, requested_by) VALUES ($1, $2, $3)
ON CONFLICT (name) WHERE due_at IS NOT NULL DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608  made of constants, as all below
_CLAIM: Final = LEASES.claim_statement(order="requested_at", returning="claimed.*")
_SAVE: Final = f"""
UPDATE rebuilds
   SET state = $3, generation = $4, obsolete = $5, event_logs = $6, events = $7, error = $8,
       ended_at = CASE WHEN $3 IN ('done', 'failed') THEN clock_timestamp() END,
       due_at = CASE WHEN $3 NOT IN ('done', 'failed') THEN {LEASES.until} END
 WHERE {LEASES.held} RETURNING due_at
"""  # noqa: S608
_LATEST: Final = f"SELECT DISTINCT ON (name) {_COLUMNS} FROM rebuilds ORDER BY name, requested_at DESC"  # noqa: S608


class LogProgress(Struct, frozen=True):
    """How far a service's event log is read: up to `position`, of `last` (-1 before the first read)."""

    service: str
    position: int = 0
    last: int = -1

    @property
    def done(self) -> bool:
        """Whether the log is read to the end that the first read returned."""
        return self.last >= 0 and self.position >= self.last


class Rebuild(Struct, frozen=True, kw_only=True):
    """A rebuild and its progress; `obsolete` is the generation whose rows it deletes at the end."""

    id: UUID
    name: str
    requested_by: str
    state: State
    generation: int | None
    obsolete: int | None
    event_logs: list[LogProgress]
    events: int
    requested_at: Timestamp
    ended_at: Timestamp | None
    error: str


class ClaimedRebuild(Struct, frozen=True):
    """A rebuild that this process has claimed until `until`; None once the rebuild has ended."""

    rebuild: Rebuild
    until: datetime | None


class LeaseLost(Exception):
    """The loss of a lease: it ended, and another process has claimed the rebuild. Nothing was stored."""


_decode_event_logs: Final = msgspec.json.Decoder(list[LogProgress]).decode


def _rebuild(row: Row) -> Rebuild:
    fields = {name: row[name] for name in Rebuild.__struct_fields__}
    return Rebuild(**{**fields, "event_logs": _decode_event_logs(row["event_logs"])})


async def request(tx: Transaction, name: str, requested_by: str) -> Rebuild | None:
    """Request a rebuild; return None if one is requested or running."""
    row = await tx.fetchrow(_REQUEST, new_id(), name, requested_by)
    return None if row is None else _rebuild(row)


async def latest(db: Executor) -> dict[str, Rebuild]:
    """Return the latest rebuild of each projection that was ever rebuilt, by name."""
    return {row["name"]: _rebuild(row) for row in await db.fetch(_LATEST)}


async def get_rebuild(db: Executor, rebuild_id: UUID) -> Rebuild:
    """Return a rebuild, which must exist."""
    [row] = await db.fetch(f"SELECT {_COLUMNS} FROM rebuilds WHERE id = $1", rebuild_id)  # noqa: S608
    return _rebuild(row)


async def claim(database: Database) -> ClaimedRebuild | None:
    """Claim the oldest rebuild that no process works on, or return None."""
    row = await database.fetchrow(_CLAIM, 1)
    return None if row is None else ClaimedRebuild(_rebuild(row), row["due_at"])


async def save(tx: Transaction, claimed: ClaimedRebuild, **changes: Any) -> ClaimedRebuild:  # noqa: ANN401  fields
    """Store changed fields of a rebuild and extend the lease; return both, to be used once `tx` is committed.

    Raises:
        LeaseLost: another process has claimed it.
    """
    saved = replace(claimed.rebuild, **changes)
    rows = await tx.fetch(
        _SAVE,
        [saved.id],
        claimed.until,
        saved.state,
        saved.generation,
        saved.obsolete,
        msgspec.json.encode(saved.event_logs).decode(),
        saved.events,
        saved.error,
    )
    if not rows:
        raise LeaseLost
    return ClaimedRebuild(saved, rows[0]["due_at"])


async def release(database: Database, claimed: ClaimedRebuild) -> None:
    """Release the lease of a rebuild that has not ended, so that another process may continue."""
    if claimed.until is not None:
        await LEASES.release(database, [claimed.rebuild.id], claimed.until)


def progress(event_logs: Sequence[LogProgress]) -> tuple[int, int]:
    """Return the positions read and the positions in total over all event logs; zeros until each was read once."""
    started = [log for log in event_logs if log.last >= 0]
    if len(started) < len(event_logs):
        return 0, 0
    return sum(min(log.position, log.last) for log in started), sum(log.last for log in started)
