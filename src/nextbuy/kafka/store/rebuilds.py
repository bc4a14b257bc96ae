"""Rebuilds that were asked for: whoever holds the lease of one does it, and each step of it stands in one transaction.

What a step has written down is fenced by the lease's token: who was too slow, and was taken for dead, writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from nextbuy.contracts.values import new_id
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

State = Literal["asked", "reading", "clearing", "done", "failed"]
LEASE: Final = 10.0
"""Seconds after which a rebuild whose process is silent is done by another; a batch takes about one at most."""

_COLUMNS: Final = (
    "id, name, asked_by, state, generation, cleared, sources, events, asked_at, started_at, ended_at, error"
)
_ASK: Final = f"""
INSERT INTO rebuilds (id, name, asked_by) VALUES ($1, $2, $3)
ON CONFLICT (name) WHERE state IN ('asked', 'reading', 'clearing') DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608  made of constants, as all below
_CLAIM: Final = f"""
UPDATE rebuilds SET token = $1, leased_until = clock_timestamp() + make_interval(secs => $2),
                    started_at = coalesce(started_at, clock_timestamp())
 WHERE id = (SELECT id FROM rebuilds WHERE state IN ('asked', 'reading', 'clearing')
                AND (leased_until IS NULL OR leased_until < clock_timestamp())
              ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608
_KEEP: Final = """
UPDATE rebuilds
   SET state = $3, generation = $4, cleared = $5, sources = $6, events = $7, error = $8,
       ended_at = CASE WHEN $3 IN ('done', 'failed') THEN clock_timestamp() END,
       leased_until = clock_timestamp() + make_interval(secs => $9)
 WHERE id = $1 AND token = $2
"""
_LATEST: Final = f"""
SELECT DISTINCT ON (name) {_COLUMNS} FROM rebuilds ORDER BY name, asked_at DESC
"""  # noqa: S608


class Source(Struct, frozen=True):
    """How far a service's event log is read: up to `position`, of `last`, which is -1 before it is known."""

    service: str
    position: int = 0
    last: int = -1

    @property
    def done(self) -> bool:
        """Whether all is read that has to be."""
        return self.last >= 0 and self.position >= self.last


class Rebuild(Struct, frozen=True, kw_only=True):
    """A rebuild, as it stands."""

    id: UUID
    name: str
    asked_by: str
    state: State
    generation: int | None
    cleared: int | None
    sources: list[Source]
    events: int
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str


class Claimed(Struct):
    """A rebuild that this process has the lease of, and the token of the lease."""

    rebuild: Rebuild
    token: UUID


class LeaseLost(Exception):
    """Another process does this rebuild by now; nothing was written."""


_sources: Final = msgspec.json.Decoder(list[Source]).decode


def _rebuild(row: Row) -> Rebuild:
    return Rebuild(**{**row, "sources": _sources(row["sources"])})


async def ask(tx: Transaction, name: str, asked_by: str) -> Rebuild | None:
    """Ask for a rebuild; None where one is asked for or being done."""
    row = await tx.fetchrow(_ASK, new_id(), name, asked_by)
    return None if row is None else _rebuild(row)


async def latest(reader: Executor) -> dict[str, Rebuild]:
    """Return the last rebuild of each projection that had any, by name."""
    return {row["name"]: _rebuild(row) for row in await reader.fetch(_LATEST)}


async def read(reader: Executor, rebuild_id: UUID) -> Rebuild:
    """Return a rebuild that was asked for."""
    [row] = await reader.fetch(f"SELECT {_COLUMNS} FROM rebuilds WHERE id = $1", rebuild_id)  # noqa: S608
    return _rebuild(row)


async def claim(database: Database) -> Claimed | None:
    """Take the lease of a rebuild that nobody does now; None where there is none."""
    token = uuid4()
    row = await database.fetchrow(_CLAIM, token, LEASE)
    return None if row is None else Claimed(_rebuild(row), token)


async def keep(tx: Transaction, claimed: Claimed, after: Rebuild) -> None:
    """Write down how a rebuild stands after a step of it.

    Raises:
        LeaseLost: it is another's.
    """
    done = await tx.execute(
        _KEEP,
        after.id,
        claimed.token,
        after.state,
        after.generation,
        after.cleared,
        msgspec.json.encode(after.sources).decode(),
        after.events,
        after.error,
        LEASE,
    )
    if done != "UPDATE 1":
        raise LeaseLost


async def let_go(database: Database, claimed: Claimed) -> None:
    """Give the lease back, so that whoever comes next may go on."""
    await database.execute(
        "UPDATE rebuilds SET leased_until = NULL WHERE id = $1 AND token = $2", claimed.rebuild.id, claimed.token
    )


def progress(sources: Sequence[Source]) -> tuple[int, int]:
    """Return how much of the logs is read, and of how much; zero of zero before that is known."""
    known = [source for source in sources if source.last >= 0]
    if len(known) < len(sources):
        return 0, 0
    return sum(min(source.position, source.last) for source in known), sum(source.last for source in known)
