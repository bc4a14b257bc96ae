"""Events that could not be applied: kept whole, with the reason, until a person has them tried again or discards them.

The same delivery to the same handler is buried once. A replay runs only the handler that failed (all that listen,
where the event could not even be read); whoever runs it holds a lease on the letter, so that it is run by one at a
time, and again where that one died. Events that came later have been applied meanwhile: a replay is late, and a
handler must not mind. How letters are replayed is told in `replays.py` and `replayer.py`.
"""

import traceback
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.errors import AppError, Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import (
    Page,
    Timestamp,
    new_id,
)
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction

Status = Literal["waiting", "replaying", "replayed", "discarded"]
Named = Annotated[str, Meta(max_length=200)]

KEPT: Final = "90 days"
"""How long a letter stays after it was replayed or discarded."""
_LONGEST_TEXT: Final = 2_000
"""Characters that are kept of a reason, and of each error behind it."""
_LONGEST_CHAIN: Final = 10
_AT_A_TIME: Final = 1_000
"""Letters that one step of the clean-up takes."""
_FIRST_YEAR, _LAST_YEAR = 1970, 9998

FIELDS: Final = (
    "id, topic, event_id, event_type, handler, reason, error_chain, attempts, failed_at, envelope, status, replays, "
    "settled_at, discarded_because"
)
MATCHES: Final = """
    ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR handler = $2)
    AND ($3::text IS NULL OR starts_with(reason, $3)) AND ($4::text IS NULL OR event_type = $4)
    AND ($5::timestamptz IS NULL OR failed_at >= $5) AND ($6::timestamptz IS NULL OR failed_at < $6)
"""
"""Whether a letter is one of those that `Filter.values` names."""

_BURY: Final = """
    INSERT INTO dead_letters
        (id, origin, topic, event_id, event_type, handler, reason, error_chain, attempts, envelope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (origin) DO NOTHING
"""

_PAGE: Final = f"""
    SELECT {FIELDS} FROM dead_letters
    WHERE {MATCHES} AND ($7::text IS NULL OR status = $7) AND ($8::uuid IS NULL OR id < $8)
    ORDER BY id DESC LIMIT $9
"""  # noqa: S608  made of constants

_DISCARD: Final = f"""
    WITH held AS (
        SELECT id, status, replay_id FROM dead_letters
        WHERE id = $1 AND (status = 'waiting' OR status = 'replaying' AND token IS NULL) FOR UPDATE
    ), given_up AS (
        UPDATE replays SET failed = failed + 1,
               finished_at = CASE WHEN done + failed + 1 >= total THEN clock_timestamp() END
        FROM held WHERE replays.id = held.replay_id AND held.status = 'replaying'
    )
    UPDATE dead_letters SET status = 'discarded', settled_at = clock_timestamp(), discarded_because = $2
    WHERE id = (SELECT id FROM held) RETURNING {FIELDS}
"""  # noqa: S608  made of constants

_FORGET: Final = """
    DELETE FROM dead_letters WHERE id IN (
        SELECT id FROM dead_letters
        WHERE status IN ('replayed', 'discarded') AND settled_at < clock_timestamp() - $1::text::interval
        ORDER BY settled_at LIMIT $2
    )
"""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that could not be applied; `envelope` is its JSON, or its text where it is none.

    `settled_at` is when it was applied after all or discarded, the latter for `discarded_because`.
    """

    id: UUID
    topic: str
    event_id: UUID | None
    event_type: str
    reason: str
    attempts: int
    failed_at: Timestamp
    envelope: Any
    handler: str
    error_chain: list[str]
    status: Status
    replays: int
    settled_at: Timestamp | None
    discarded_because: str


class Filter(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Some dead letters: all of whose fields are as they are named here; `reason` is how it begins.

    An empty `handler` names the letters that could not even be read. A field that is misspelt is refused: without it,
    more would be named than was meant.
    """

    topic: Named | UnsetType = UNSET
    handler: Named | UnsetType = UNSET
    reason: Named | UnsetType = UNSET
    event_type: Named | UnsetType = UNSET
    since: Timestamp | UnsetType = UNSET
    until: Timestamp | UnsetType = UNSET

    def values(self) -> list[object]:
        """Return what `MATCHES` takes.

        Raises:
            Unprocessable: a time is one that no letter can have.
        """
        for moment in (self.since, self.until):
            if moment is not UNSET and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
                raise Unprocessable(f"A time is of a year from {_FIRST_YEAR} to {_LAST_YEAR}.", slug="bad-time")
        named = (self.topic, self.handler, self.reason, self.event_type, self.since, self.until)
        return [None if value is UNSET else value for value in named]


EVERY: Final = Filter()


async def dead_letter(  # noqa: PLR0913
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
        storable(event_type),
        handler,
        reason_of(error),
        chain_of(error),
        attempts,
        body,
    )


async def page(
    reader: Executor, limit: int, cursor: str | None = None, *, status: Status | None = None, only: Filter = EVERY
) -> Page[DeadLetter]:
    """Return a part of the list, the latest first.

    Raises:
        Unprocessable: the cursor is none of ours, or a time is none.
    """
    below = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await reader.fetch(_PAGE, *only.values(), status, below, limit + 1)
    letters = [letter_of(row) for row in rows[:limit]]
    return Page(letters, encode_cursor(letters[-1].id) if len(rows) > limit else None)


async def whole(reader: Executor, letter_id: UUID) -> DeadLetter:
    """Return one dead letter.

    Raises:
        NotFound: there is none of this id.
    """
    row = await reader.fetchrow(f"SELECT {FIELDS} FROM dead_letters WHERE id = $1", letter_id)  # noqa: S608
    if row is None:
        raise NotFound("There is no such dead letter.", slug="no-such-dead-letter")
    return letter_of(row)


async def discard(tx: Transaction, letter_id: UUID, because: str) -> DeadLetter:
    """Give an event up for good.

    Raises:
        NotFound: there is none of this id.
        Conflict: it has been applied since, is being replayed, or was discarded.
    """
    row = await tx.fetchrow(_DISCARD, letter_id, because)
    if row is not None:
        return letter_of(row)
    letter = await whole(tx, letter_id)
    if letter.status == "replaying":
        raise Conflict("This dead letter is being replayed at this moment.", slug="in-progress", retry_after=1)
    raise settled_already(letter)


def settled_already(letter: DeadLetter) -> Conflict:
    """Return why nothing more can be done about a letter that was replayed or discarded."""
    if letter.status == "replayed":
        return Conflict("This dead letter was replayed already, and its event applied.", slug="already-replayed")
    return Conflict("This dead letter was discarded.", slug="discarded")


async def purge_settled(database: Database) -> bool:
    """Drop some of the letters that were settled long ago, never one that waits; true where there may be more."""
    return await database.execute(_FORGET, KEPT, _AT_A_TIME) == f"DELETE {_AT_A_TIME}"


def reason_of(error: BaseException) -> str:
    """Return why, in one line: the slug and what an error of the tree says, the class and what any other says."""
    name = error.slug if isinstance(error, AppError) else type(error).__name__
    return storable(f"{name}: {error}")


def chain_of(error: BaseException) -> list[str]:
    """Return the error and those behind it, each with the line that raised it, the outermost first."""
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _LONGEST_CHAIN:
        frames = traceback.extract_tb(link.__traceback__)
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name})" if frames else ""
        chain.append(storable(f"{type(link).__name__}: {link}{where}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def storable(text: str) -> str:
    """Return text as PostgreSQL can keep it: without NUL, lone surrogates, or more of it than anyone reads."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:_LONGEST_TEXT]


def letter_of(row: Row) -> DeadLetter:
    """Return the letter that a row with `FIELDS` holds."""
    fields = {name: row[name] for name in DeadLetter.__struct_fields__}
    body: bytes = fields["envelope"]
    try:
        fields["envelope"] = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields["envelope"] = body.decode(errors="replace")
    return DeadLetter(**fields)
