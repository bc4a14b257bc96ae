"""SQL of the comparison: the lease of the copy that compares, and its findings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Page, Timestamp, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, from_row
from nextbuy.kit.storage.leases import Leases
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement

_LIST: Final = ("comparison-findings",)
_LEASES: Final = Leases("comparison_leases", seconds=60, key="name")
"""Longer than a round. If the lease ends early, two copies compare at the same time, which does no harm."""
_NAME: Final = "comparison"
RETENTION_DAYS: Final = 90
"""Days that a finding is stored."""

_CLAIM: Final = _LEASES.claim_statement(returning="claimed.due_at")
_ADD: Final = """
    INSERT INTO comparison_findings (id, kind, service, topic, subscriptions, events, first_event_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (kind, service, topic, first_event_id) WHERE repaired_at IS NULL
    DO UPDATE SET subscriptions = excluded.subscriptions, events = excluded.events
    WHERE comparison_findings.events < excluded.events RETURNING id
"""
_REPAIR: Final = """
    UPDATE comparison_findings AS finding SET repaired_at = clock_timestamp()
    WHERE repaired_at IS NULL AND service = $1 AND topic = ANY($2::text[]) AND subscriptions <@ ARRAY(
        SELECT name FROM unnest($2::text[], $3::text[]) AS complete (topic, name) WHERE complete.topic = finding.topic
    )
"""
_PAGE: Final = """
    SELECT id, kind, service, topic, subscriptions, events, first_event_id, found_at, repaired_at
    FROM comparison_findings WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
"""
PURGE: Final = purge_statement(
    "comparison_findings", "found_at", f"clock_timestamp() - interval '{RETENTION_DAYS} days'"
)


class Finding(Struct, frozen=True):
    """Events of a topic that a destination lacked, dead letters that were lost, or an event log that was restored.

    `kind` is `missing-events`, `lost-dead-letters` or `restored-log`; the last one names the publisher as `service`.
    """

    kind: str
    service: str
    topic: str = ""
    subscriptions: list[str] = []
    events: int = 0
    first_event_id: UUID | None = None


class StoredFinding(Struct, frozen=True, kw_only=True):
    """A finding of the comparison of event logs with inboxes.

    `missing-events`: a destination lacked events of a topic; they were delivered from the event log.
    `lost-dead-letters`: events that a destination had rejected had no dead letters; these were restored.
    `restored-log`: the event log of a service lacks events that were delivered, since it was restored from a backup.
    `repaired_at`: when the destination had the events or dead letters; null until then, and for a restored log.
    """

    id: UUID
    kind: str
    service: str
    topic: str
    subscriptions: list[str]
    events: int
    first_event_id: UUID | None
    found_at: Timestamp
    repaired_at: Timestamp | None


async def claim(database: Database) -> datetime | None:
    """Take the lease of the comparison if a round is due, and return its end."""
    row = await database.fetchrow(_CLAIM, 1)
    return None if row is None else row["due_at"]


async def reschedule(database: Database, until: datetime, delay: float) -> None:
    """Release the lease; the next round is due in `delay` seconds."""
    await _LEASES.reschedule(database, [_NAME], until, delay)


async def add_findings(db: Executor, findings: Sequence[Finding]) -> list[Finding]:
    """Store findings, at most three at a time, and return those that are new or have more events.

    Events that are found again before they are repaired are the same finding.
    """
    return [
        new
        for new in findings
        if await db.fetchval(
            _ADD, new_id(), new.kind, new.service, new.topic, new.subscriptions, new.events, new.first_event_id
        )
    ]


async def mark_repaired(db: Executor, service: str, complete: Sequence[tuple[str, str]]) -> None:
    """Mark the findings as repaired whose topic and subscriptions are now `complete` at a destination."""
    await db.execute(_REPAIR, service, [topic for topic, _ in complete], [name for _, name in complete])


async def list_findings(db: Executor, limit: int, cursor: str | None = None) -> Page[StoredFinding]:
    """Return a page of findings, newest first.

    Raises:
        Unprocessable: the cursor is invalid.
    """
    below = decode_cursor(_LIST, cursor, UUID)[0] if cursor else None
    rows = await db.fetch(_PAGE, below, limit + 1)
    findings = [from_row(StoredFinding, row) for row in rows[:limit]]
    return Page(findings, encode_cursor(_LIST, findings[-1].id) if len(rows) > limit else None)


async def purge_findings(database: Database) -> None:
    """Delete findings after `RETENTION_DAYS`."""
    await purge(database, PURGE, FIRST_MOMENT)
