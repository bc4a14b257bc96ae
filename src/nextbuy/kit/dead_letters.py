"""Events that could not be applied: kept whole, with the reason, until a person has them tried again.

The same delivery to the same handler is buried once. A replay runs only the handler that failed (all that listen,
where the event could not even be read); whoever runs it holds a lease on the letter, so that it is run by one at a
time, and again where that one died. Events that came later have been applied meanwhile: a replay is late, and a
handler must not mind.
"""

import traceback
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, NotFound, Refused
from nextbuy.contracts.values import Page, new_id
from nextbuy.kit.database import Database, Reader, Row, Transaction
from nextbuy.kit.paging import decode_cursor, encode_cursor

Status = Literal["waiting", "replaying", "replayed", "discarded"]

LEASE: Final = 60.0
"""Seconds after which a replay that is heard of no more is run by another."""
_LONGEST_TEXT: Final = 2_000
"""Characters that are kept of a reason, and of each error behind it."""
_LONGEST_CHAIN: Final = 10

_FIELDS: Final = (
    "id, topic, event_id, event_type, handler, reason, error_chain, attempts, failed_at, envelope, status, replays"
)

_BURY: Final = """
    INSERT INTO dead_letters
        (id, origin, topic, event_id, event_type, handler, reason, error_chain, attempts, envelope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (origin) DO NOTHING
"""

_ASK: Final = f"""
    UPDATE dead_letters SET status = 'replaying', replays = replays + 1 WHERE id = $1 AND status = 'waiting'
    RETURNING {_FIELDS}
"""  # noqa: S608  made of constants

_CLAIM: Final = f"""
    UPDATE dead_letters SET token = $1, leased_until = clock_timestamp() + make_interval(secs => $2)
    WHERE id = (
        SELECT id FROM dead_letters
        WHERE status = 'replaying' AND (leased_until IS NULL OR leased_until < clock_timestamp())
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {_FIELDS}
"""  # noqa: S608  made of constants


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that could not be applied; `envelope` is its JSON, or its text where it is none."""

    id: UUID
    topic: str
    event_id: UUID | None
    event_type: str
    reason: str
    attempts: int
    failed_at: datetime
    envelope: Any
    handler: str
    error_chain: list[str]
    status: Status
    replays: int


class Claimed(Struct, frozen=True):
    """A dead letter that is ours to run again: `body` is what came, `token` what our lease is known by."""

    letter: DeadLetter
    body: bytes
    token: UUID


async def bury(  # noqa: PLR0913
    tx: Transaction,
    topic: str,
    body: bytes,
    error: BaseException,
    *,
    origin: str,
    attempts: int,
    handler: str = "",
    event_id: UUID | None = None,
    event_type: str = "",
) -> None:
    """Keep an event that could not be applied; one with the same `origin` is kept already."""
    await tx.execute(
        _BURY,
        new_id(),
        origin,
        topic,
        event_id,
        _storable(event_type),
        handler,
        reason_of(error),
        chain_of(error),
        attempts,
        body,
    )


async def page(
    reader: Reader, limit: int, cursor: str | None = None, *, status: Status | None = None
) -> Page[DeadLetter]:
    """Return a part of the list, the latest first.

    Raises:
        Unreadable: the cursor is none of ours.
    """
    below = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await reader.fetch(
        f"SELECT {_FIELDS} FROM dead_letters WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR status = $2) "  # noqa: S608
        "ORDER BY id DESC LIMIT $3",
        below,
        status,
        limit + 1,
    )
    letters = [_letter(row) for row in rows[:limit]]
    return Page(letters, encode_cursor(letters[-1].id) if len(rows) > limit else None)


async def whole(reader: Reader, letter_id: UUID) -> DeadLetter:
    """Return one dead letter.

    Raises:
        NotFound: there is none of this id.
    """
    row = await reader.fetchrow(f"SELECT {_FIELDS} FROM dead_letters WHERE id = $1", letter_id)  # noqa: S608
    if row is None:
        raise NotFound("There is no such dead letter.", slug="no-such-dead-letter")
    return _letter(row)


async def ask_replay(reader: Reader, letter_id: UUID) -> DeadLetter:
    """Ask for a dead letter to be tried again; `Consumer.replay_asked` does it. Asking twice is asking once.

    Raises:
        NotFound: there is none of this id.
        Refused: it has been applied since, or was discarded.
    """
    row = await reader.fetchrow(_ASK, letter_id)
    if row is not None:
        return _letter(row)
    letter = await whole(reader, letter_id)
    if letter.status == "replayed":
        raise Refused("This dead letter was replayed already, and its event applied.", slug="already-replayed")
    if letter.status == "discarded":
        raise Refused("This dead letter was discarded.", slug="discarded")
    return letter


async def claim(database: Database) -> Claimed | None:
    """Lease one of the letters for which a replay was asked, if there is one that nobody else runs."""
    token = uuid4()
    row = await database.fetchrow(_CLAIM, token, LEASE)
    return None if row is None else Claimed(_letter(row), row["envelope"], token)


async def settle(reader: Reader, claimed: Claimed) -> bool:
    """Say that the event has been applied; false, and nothing done, where another has run it meanwhile."""
    row = await reader.fetchrow(
        "UPDATE dead_letters SET status = 'replayed', token = NULL, leased_until = NULL "
        "WHERE id = $1 AND token = $2 AND status = 'replaying' RETURNING id",
        claimed.letter.id,
        claimed.token,
    )
    return row is not None


async def put_back(reader: Reader, claimed: Claimed, error: BaseException) -> None:
    """Say that it failed again, and why; it waits for a person as before."""
    await reader.execute(
        "UPDATE dead_letters SET status = 'waiting', token = NULL, leased_until = NULL, attempts = attempts + 1, "
        "reason = $3, error_chain = $4, failed_at = clock_timestamp() WHERE id = $1 AND token = $2",
        claimed.letter.id,
        claimed.token,
        reason_of(error),
        chain_of(error),
    )


def reason_of(error: BaseException) -> str:
    """Return why, in one line: the slug and what an error of the tree says, the class and what any other says."""
    name = error.slug if isinstance(error, AppError) else type(error).__name__
    return _storable(f"{name}: {error}")


def chain_of(error: BaseException) -> list[str]:
    """Return the error and those behind it, each with the line that raised it, the outermost first."""
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _LONGEST_CHAIN:
        frames = traceback.extract_tb(link.__traceback__)
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name})" if frames else ""
        chain.append(_storable(f"{type(link).__name__}: {link}{where}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def _storable(text: str) -> str:
    """Return text as PostgreSQL can keep it: without NUL, lone surrogates, or more of it than anyone reads."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:_LONGEST_TEXT]


def _letter(row: Row) -> DeadLetter:
    fields = dict(row)
    body: bytes = fields.pop("envelope")
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        envelope = body.decode(errors="replace")
    return DeadLetter(envelope=envelope, **fields)
