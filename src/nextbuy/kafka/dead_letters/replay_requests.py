"""The SQL of replays: which dead letters are delivered again, who requested it, and the progress.

A replay by filter marks its dead letters in the statement that stores it, so two concurrent replays share none. A
worker claims dead letters in batches (`kit/storage/leases.py`); every later change checks the lease, so a worker that
stalled changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Timestamp, new_id
from nextbuy.kafka.dead_letters.store import (
    COLUMNS,
    MATCHES,
    DeadLetter,
    Filter,
    already_resolved,
    from_row,
    get_dead_letter,
)
from nextbuy.kit.events.error_text import storable
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.leases import Leases

LEASES: Final = Leases("dead_letters", seconds=20)
"""Longer than the calls for one batch may take."""
MAX_DEAD_LETTERS: Final = 10_000
"""Dead letters per replay by filter, the oldest first: one statement marks them in well under a second."""

_REPLAY: Final = "id, requested_by, requested_at, filter, total, over_limit, done, failed, blocked_by, finished_at"

_REQUEST: Final = f"""
    UPDATE dead_letters SET status = 'replaying', due_at = now(), replays = replays + 1, replay_id = NULL
    WHERE id = $1 AND status = 'waiting' RETURNING {COLUMNS}
"""  # noqa: S608  made of constants

_REQUEST_MATCHING: Final = f"""
    WITH matching AS (
        SELECT id FROM dead_letters WHERE status = 'waiting' AND {MATCHES} ORDER BY id LIMIT $7 FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE dead_letters SET status = 'replaying', due_at = now(), replays = replays + 1, replay_id = $8
        WHERE id IN (SELECT id FROM matching) RETURNING id
    ), waiting AS (
        SELECT count(*) AS n FROM dead_letters WHERE status = 'waiting' AND {MATCHES}
    ), counted AS (
        SELECT count(*) AS n FROM taken
    )
    INSERT INTO replays (id, requested_by, filter, total, over_limit, finished_at)
    SELECT $8, $9, $10, counted.n, waiting.n - counted.n, CASE WHEN counted.n = 0 THEN clock_timestamp() END
    FROM counted, waiting RETURNING {_REPLAY}
"""  # noqa: S608  made of constants

_CLAIM: Final = LEASES.claim_statement(order="id")

_MARK_REPLAYED: Final = f"""
    WITH replayed AS (
        UPDATE dead_letters SET status = 'replayed', resolved_at = clock_timestamp(), due_at = NULL
        WHERE {LEASES.held} RETURNING id, replay_id
    ), counted AS (
        SELECT replay_id, count(*) AS n FROM replayed GROUP BY replay_id
    ), progress AS (
        UPDATE replays SET done = done + n, blocked_by = '',
               finished_at = CASE WHEN done + failed + n >= total THEN clock_timestamp() END
        FROM counted WHERE replays.id = counted.replay_id
    )
    SELECT id FROM replayed
"""  # noqa: S608  made of constants

_MARK_FAILED: Final = f"""
    WITH letter AS (
        UPDATE dead_letters
        SET status = 'waiting', due_at = NULL, attempts = attempts + 1, reason = $3, error_chain = $4,
            failed_at = clock_timestamp()
        WHERE {LEASES.held} RETURNING replay_id
    )
    UPDATE replays SET failed = replays.failed + 1,
           finished_at = CASE WHEN done + replays.failed + 1 >= total THEN clock_timestamp() END
    FROM letter WHERE replays.id = letter.replay_id
"""  # noqa: S608  made of constants

_RESCHEDULE: Final = f"""
    WITH delayed AS (
        UPDATE dead_letters SET due_at = now() + make_interval(secs => $3),
                                delayed_until = now() + make_interval(secs => $3)
        WHERE {LEASES.held} RETURNING replay_id
    )
    UPDATE replays SET blocked_by = $4 WHERE id IN (SELECT replay_id FROM delayed)
"""  # noqa: S608  made of constants


ReplayNotFound: Final = NotFound.of("replay-not-found", "Replay not found.")


class Replay(Struct, frozen=True, kw_only=True):
    """A replay by filter: of `total` dead letters, `done` were applied, and `failed` failed again and wait as before.

    `over_limit` is the number of other dead letters that match. `blocked_by` is the latest transient failure, or empty.
    """

    id: UUID
    requested_by: str
    requested_at: Timestamp
    filter: Filter
    total: int
    over_limit: int
    done: int
    failed: int
    blocked_by: str
    finished_at: Timestamp | None


class ClaimedDeadLetter(Struct, frozen=True):
    """A dead letter that is leased to this process until `until`, with the bytes of its event and its position."""

    letter: DeadLetter
    body: bytes
    position: int
    until: datetime


async def request_replay(db: Executor, letter_id: UUID) -> DeadLetter:
    """Request the replay of one dead letter. A second request changes nothing.

    Raises:
        NotFound: no dead letter has this id.
        Conflict: it was replayed or discarded.
    """
    row = await db.fetchrow(_REQUEST, letter_id)
    if row is not None:
        return from_row(row)
    letter = await get_dead_letter(db, letter_id)
    if letter.status != "replaying":
        raise already_resolved(letter)
    return letter


async def request_replays(tx: Transaction, requested_by: str, only: Filter, *, limit: int = MAX_DEAD_LETTERS) -> Replay:
    """Request the replay of the waiting dead letters that match a filter, up to `limit`, the oldest first.

    Raises:
        Unprocessable: a time in the filter is out of range.
    """
    as_json = msgspec.json.encode(only).decode()
    [row] = await tx.fetch(_REQUEST_MATCHING, *only.values(), limit, new_id(), requested_by, as_json)
    return _replay(row)


async def get_replay(db: Executor, replay_id: UUID) -> Replay:
    """Return a replay by filter with its progress."""
    row = await db.fetchrow(f"SELECT {_REPLAY} FROM replays WHERE id = $1", replay_id)  # noqa: S608
    if row is None:
        raise ReplayNotFound
    return _replay(row)


async def latest(db: Executor, limit: int) -> list[Replay]:
    """Return the latest replays by filter, newest first."""
    rows = await db.fetch(f"SELECT {_REPLAY} FROM replays ORDER BY id DESC LIMIT $1", limit)  # noqa: S608
    return [_replay(row) for row in rows]


async def claim(database: Database, limit: int) -> list[ClaimedDeadLetter]:
    """Claim up to `limit` dead letters whose replay is due, the oldest first."""
    rows = await database.fetch(_CLAIM, limit)
    claimed = [ClaimedDeadLetter(from_row(row), row["envelope"], row["position"], row["due_at"]) for row in rows]
    return sorted(claimed, key=lambda one: one.letter.id)


async def mark_replayed(db: Executor, claimed: Sequence[ClaimedDeadLetter]) -> set[UUID]:
    """Mark dead letters as replayed, and return the ids of those that were still leased to us."""
    if not claimed:
        return set()
    rows = await db.fetch(_MARK_REPLAYED, [one.letter.id for one in claimed], claimed[0].until)
    return {row["id"] for row in rows}


async def mark_failed(db: Executor, claimed: ClaimedDeadLetter, reason: str, errors: Sequence[str]) -> None:
    """Store the new reason of a dead letter that failed again; it waits for an operator as before."""
    chain = [storable(error) for error in errors]
    await db.execute(_MARK_FAILED, [claimed.letter.id], claimed.until, storable(reason), chain)


async def reschedule(db: Executor, claimed: Sequence[ClaimedDeadLetter], reason: str, delay: float) -> None:
    """Release dead letters after a transient failure, to be claimed again in `delay` seconds."""
    if claimed:
        ids = [one.letter.id for one in claimed]
        await db.execute(_RESCHEDULE, ids, claimed[0].until, delay, storable(reason))


async def release(db: Executor, claimed: Sequence[ClaimedDeadLetter]) -> None:
    """Release the dead letters that are still leased to us, to be claimed again at once."""
    await LEASES.release(db, [one.letter.id for one in claimed], claimed[0].until)


def _replay(row: Row) -> Replay:
    return Replay(**dict(row, filter=msgspec.json.decode(row["filter"], type=Filter)))
