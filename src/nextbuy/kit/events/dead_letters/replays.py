"""Which dead letters are tried again, by whom, and how far it has come.

A replay by filter takes its letters in the statement that makes it, so two of them at once never have a letter in
common. Letters are claimed in batches under a lease; what is settled, put back or deferred names the lease's token, so
that one who was too slow changes nothing.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import (
    Timestamp,
    new_id,
)
from nextbuy.kit.events.dead_letters.store import (
    FIELDS,
    MATCHES,
    DeadLetter,
    Filter,
    chain_of,
    letter_of,
    reason_of,
    settled_already,
    whole,
)
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

LEASE: Final = 20.0
"""Seconds after which a letter whose replay is heard of no more is replayed by another."""
MOST: Final = 10_000
"""Letters that one replay by filter takes, the oldest first."""

_RUN: Final = "id, asked_by, asked_at, filter, total, beyond, done, failed, waits_for, finished_at"

_ASK: Final = f"""
    UPDATE dead_letters SET status = 'replaying', replays = replays + 1, replay_id = NULL
    WHERE id = $1 AND status = 'waiting' RETURNING {FIELDS}
"""  # noqa: S608  made of constants

_ASK_MANY: Final = f"""
    WITH named AS (
        SELECT id FROM dead_letters WHERE status = 'waiting' AND {MATCHES} ORDER BY id LIMIT $7 FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE dead_letters SET status = 'replaying', replays = replays + 1, replay_id = $8
        WHERE id IN (SELECT id FROM named) RETURNING id
    ), matching AS (
        SELECT count(*) AS n FROM dead_letters WHERE status = 'waiting' AND {MATCHES}
    ), counted AS (
        SELECT count(*) AS n FROM taken
    )
    INSERT INTO replays (id, asked_by, filter, total, beyond, finished_at)
    SELECT $8, $9, $10, counted.n, matching.n - counted.n, CASE WHEN counted.n = 0 THEN clock_timestamp() END
    FROM counted, matching RETURNING {_RUN}
"""  # noqa: S608  made of constants

_CLAIM: Final = f"""
    UPDATE dead_letters SET token = $1, leased_until = clock_timestamp() + make_interval(secs => $2)
    WHERE id IN (
        SELECT id FROM dead_letters
        WHERE status = 'replaying' AND (leased_until IS NULL OR leased_until < clock_timestamp())
        ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    RETURNING {FIELDS}
"""  # noqa: S608  made of constants

_SETTLE: Final = """
    WITH settled AS (
        UPDATE dead_letters
        SET status = 'replayed', settled_at = clock_timestamp(), token = NULL, leased_until = NULL
        WHERE id = ANY($1::uuid[]) AND token = $2 AND status = 'replaying' RETURNING id, replay_id
    ), counted AS (
        SELECT replay_id, count(*) AS n FROM settled GROUP BY replay_id
    ), told AS (
        UPDATE replays SET done = done + n, waits_for = '',
               finished_at = CASE WHEN done + failed + n >= total THEN clock_timestamp() END
        FROM counted WHERE replays.id = counted.replay_id
    )
    SELECT id FROM settled
"""

_PUT_BACK: Final = """
    WITH failed AS (
        UPDATE dead_letters
        SET status = 'waiting', token = NULL, leased_until = NULL, attempts = attempts + 1, reason = $3,
            error_chain = $4, failed_at = clock_timestamp()
        WHERE id = $1 AND token = $2 RETURNING replay_id
    )
    UPDATE replays SET failed = replays.failed + 1,
           finished_at = CASE WHEN done + replays.failed + 1 >= total THEN clock_timestamp() END
    FROM failed WHERE replays.id = failed.replay_id
"""

_DEFER: Final = """
    WITH deferred AS (
        UPDATE dead_letters SET token = NULL, leased_until = clock_timestamp() + make_interval(secs => $3)
        WHERE id = ANY($1::uuid[]) AND token = $2 RETURNING replay_id
    )
    UPDATE replays SET waits_for = $4 WHERE id IN (SELECT replay_id FROM deferred)
"""


class Replay(Struct, frozen=True, kw_only=True):
    """A replay by filter: of `total` letters so many are applied (`done`) or failed again, and wait as before.

    `beyond` more were waiting that one replay does not take; `waits_for` says what stands in the way, if anything does.
    """

    id: UUID
    asked_by: str
    asked_at: Timestamp
    filter: Filter
    total: int
    beyond: int
    done: int
    failed: int
    waits_for: str
    finished_at: Timestamp | None


class Claimed(Struct, frozen=True):
    """A dead letter that is ours to run again: `body` is what came, `token` what our lease is known by."""

    letter: DeadLetter
    body: bytes
    token: UUID


async def ask_replay(reader: Executor, letter_id: UUID) -> DeadLetter:
    """Ask for a dead letter to be tried again. Asking twice is asking once.

    Raises:
        NotFound: there is none of this id.
        Conflict: it has been applied since, or was discarded.
    """
    row = await reader.fetchrow(_ASK, letter_id)
    if row is not None:
        return letter_of(row)
    letter = await whole(reader, letter_id)
    if letter.status != "replaying":
        raise settled_already(letter)
    return letter


async def ask_replays(tx: Transaction, asked_by: str, only: Filter, *, most: int = MOST) -> Replay:
    """Ask for the waiting letters that a filter names to be tried again, the oldest first.

    Raises:
        Unprocessable: a time in the filter is none.
    """
    as_json = msgspec.json.encode(only).decode()
    row = await tx.fetchrow(_ASK_MANY, *only.values(), most, new_id(), asked_by, as_json)
    if row is None:
        raise NotFound("This replay was not made.", slug="no-such-replay")
    return _replay(row)


async def replay_of(reader: Executor, replay_id: UUID) -> Replay:
    """Return how far a replay by filter has come.

    Raises:
        NotFound: there is none of this id.
    """
    row = await reader.fetchrow(f"SELECT {_RUN} FROM replays WHERE id = $1", replay_id)  # noqa: S608
    if row is None:
        raise NotFound("There is no such replay.", slug="no-such-replay")
    return _replay(row)


async def latest(reader: Executor, limit: int) -> list[Replay]:
    """Return the replays by filter that were asked for last, the latest first."""
    rows = await reader.fetch(f"SELECT {_RUN} FROM replays ORDER BY id DESC LIMIT $1", limit)  # noqa: S608
    return [_replay(row) for row in rows]


async def claim(database: Database, most: int) -> list[Claimed]:
    """Lease letters for which a replay was asked and that nobody else runs, the oldest first."""
    token = uuid4()
    rows = await database.fetch(_CLAIM, token, LEASE, most)
    claimed = [Claimed(letter_of(row), row["envelope"], token) for row in rows]
    return sorted(claimed, key=lambda one: one.letter.id)


async def settle(reader: Executor, claimed: Sequence[Claimed]) -> set[UUID]:
    """Say that events have been applied; returns the ids of the letters that nobody else has run meanwhile."""
    if not claimed:
        return set()
    rows = await reader.fetch(_SETTLE, [one.letter.id for one in claimed], claimed[0].token)
    return {row["id"] for row in rows}


async def put_back(reader: Executor, claimed: Claimed, error: BaseException) -> None:
    """Say that it failed again, and why; it waits for a person as before."""
    await reader.execute(_PUT_BACK, claimed.letter.id, claimed.token, reason_of(error), chain_of(error))


async def defer(reader: Executor, claimed: Sequence[Claimed], error: BaseException, seconds: float) -> None:
    """Say that something stands in the way which will pass; the letters are run again after so many seconds."""
    if claimed:
        ids = [one.letter.id for one in claimed]
        await reader.execute(_DEFER, ids, claimed[0].token, seconds, reason_of(error))


async def give_back(reader: Executor, token: UUID) -> None:
    """Let go of what is held under a lease, so that it is run again at once."""
    await reader.execute(
        "UPDATE dead_letters SET token = NULL, leased_until = NULL WHERE status = 'replaying' AND token = $1", token
    )


def _replay(row: Row) -> Replay:
    return Replay(**dict(row, filter=msgspec.json.decode(row["filter"], type=Filter)))
