"""Dead letters: events that could not be applied, stored with the reason until an operator replays or discards them.

Each delivery to a handler is dead-lettered once. A replay runs only the handler that failed, or every handler of the
topic if the event could not be decoded, under a lease on the letter (`replays.py`, `replayer.py`). Later events have
been applied by then, so a handler must accept a late one.
"""

import traceback
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.errors import AppError, Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import Page, Timestamp, new_id
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge, purge_statement

Status = Literal["waiting", "replaying", "replayed", "discarded"]
FilterText = Annotated[str, Meta(max_length=200)]

RETENTION_DAYS: Final = 90
"""Days that a replayed or discarded letter stays for the audit."""
_MAX_TEXT: Final = 2_000
"""Characters stored of a reason, and of each error in the chain behind it."""
_MAX_CHAIN: Final = 10
_FIRST_YEAR, _LAST_YEAR = 1970, 9998

COLUMNS: Final = (
    "id, topic, event_id, event_type, handler, reason, error_chain, attempts, failed_at, envelope, status, replays, "
    "resolved_at, discard_reason"
)
MATCHES: Final = """
    ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR handler = $2)
    AND ($3::text IS NULL OR starts_with(reason, $3)) AND ($4::text IS NULL OR event_type = $4)
    AND ($5::timestamptz IS NULL OR failed_at >= $5) AND ($6::timestamptz IS NULL OR failed_at < $6)
"""
"""SQL condition: a letter matches the filter whose `Filter.values` are $1 to $6."""

_INSERT: Final = """
    INSERT INTO dead_letters
        (id, delivery_key, topic, event_id, event_type, handler, reason, error_chain, attempts, envelope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (delivery_key) DO NOTHING
"""

_PAGE: Final = f"""
    SELECT {COLUMNS} FROM dead_letters
    WHERE {MATCHES} AND ($7::text IS NULL OR status = $7) AND ($8::uuid IS NULL OR id < $8)
    ORDER BY id DESC LIMIT $9
"""  # noqa: S608  made of constants

_DISCARD: Final = f"""
    WITH letter AS (
        SELECT id, status, replay_id FROM dead_letters
        WHERE id = $1 AND (status = 'waiting' OR due_at <= now() OR due_at = delayed_until) FOR UPDATE
    ), counted AS (
        UPDATE replays SET failed = failed + 1,
               finished_at = CASE WHEN done + failed + 1 >= total THEN clock_timestamp() END
        FROM letter WHERE replays.id = letter.replay_id AND letter.status = 'replaying'
    )
    UPDATE dead_letters
    SET status = 'discarded', due_at = NULL, resolved_at = clock_timestamp(), discard_reason = $2
    WHERE id = (SELECT id FROM letter) RETURNING {COLUMNS}
"""  # noqa: S608  made of constants

_PURGE: Final = purge_statement(
    "dead_letters",
    "resolved_at",
    f"clock_timestamp() - interval '{RETENTION_DAYS} days'",
    partition="status IN ('replayed', 'discarded')",
)


DeadLetterNotFound: Final = NotFound.of("dead-letter-not-found", "Dead letter not found.")
DeadLetterReplaying: Final = Conflict.of(
    "dead-letter-replaying", "This dead letter is being replayed. Try again when the replay has ended."
)
DeadLetterReplayed: Final = Conflict.of(
    "dead-letter-replayed", "This dead letter was already replayed, and its event applied."
)
DeadLetterDiscarded: Final = Conflict.of("dead-letter-discarded", "This dead letter was already discarded.")
InvalidTime: Final = Unprocessable.of("invalid-time", "Time out of range.")


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that could not be applied; `envelope` is its JSON, or its text if it is not valid JSON.

    `resolved_at` is when it was replayed successfully or discarded, the latter for `discard_reason`.
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
    resolved_at: Timestamp | None
    discard_reason: str


class Filter(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A filter of dead letters: all given fields must match; `reason` matches the beginning.

    An empty `handler` selects the letters that could not be decoded. Unknown fields are refused, because a misspelt
    one would select more than was meant.
    """

    topic: FilterText | UnsetType = UNSET
    handler: FilterText | UnsetType = UNSET
    reason: FilterText | UnsetType = UNSET
    event_type: FilterText | UnsetType = UNSET
    since: Timestamp | UnsetType = UNSET
    until: Timestamp | UnsetType = UNSET

    def values(self) -> list[object]:
        """Return the parameters of `MATCHES`; raise Unprocessable (`bad-time`) if a time is out of range."""
        for moment in (self.since, self.until):
            if moment is not UNSET and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
                raise InvalidTime(f"Time out of range. Use a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
        criteria = (self.topic, self.handler, self.reason, self.event_type, self.since, self.until)
        return [None if value is UNSET else value for value in criteria]


ALL: Final = Filter()


async def dead_letter(  # noqa: PLR0913
    tx: Transaction,
    topic: str,
    body: bytes,
    error: BaseException,
    *,
    delivery_key: str,
    attempts: int,
    handler: str = "",
    event_id: UUID | None = None,
    event_type: str = "",
) -> None:
    """Store an event that could not be applied, unless a letter with the same `delivery_key` exists."""
    await tx.execute(
        _INSERT,
        new_id(),
        delivery_key,
        topic,
        event_id,
        storable(event_type),
        handler,
        describe(error),
        describe_chain(error),
        attempts,
        body,
    )


async def list_dead_letters(
    db: Executor, limit: int, cursor: str | None = None, *, status: Status | None = None, only: Filter = ALL
) -> Page[DeadLetter]:
    """Return a page of dead letters, newest first.

    Raises:
        Unprocessable: the cursor is invalid, or a time is out of range.
    """
    below = decode_cursor(cursor, UUID)[0] if cursor else None
    rows = await db.fetch(_PAGE, *only.values(), status, below, limit + 1)
    letters = [from_row(row) for row in rows[:limit]]
    return Page(letters, encode_cursor(letters[-1].id) if len(rows) > limit else None)


async def get_dead_letter(db: Executor, letter_id: UUID) -> DeadLetter:
    """Return one dead letter."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM dead_letters WHERE id = $1", letter_id)  # noqa: S608
    if row is None:
        raise DeadLetterNotFound
    return from_row(row)


async def discard(tx: Transaction, letter_id: UUID, reason: str) -> DeadLetter:
    """Discard a dead letter for good.

    Raises:
        NotFound: no dead letter has this id.
        Conflict: it was replayed or discarded, or a replay of it is running.
    """
    row = await tx.fetchrow(_DISCARD, letter_id, reason)
    if row is not None:
        return from_row(row)
    letter = await get_dead_letter(tx, letter_id)
    if letter.status == "replaying":
        raise DeadLetterReplaying(retry_after=1)
    raise already_resolved(letter)


def already_resolved(letter: DeadLetter) -> Conflict:
    """Return the error for an operation on a letter that was replayed or discarded."""
    if letter.status == "replayed":
        return DeadLetterReplayed()
    return DeadLetterDiscarded()


async def purge_dead_letters(database: Database) -> None:
    """Delete the letters that were resolved more than `RETENTION_DAYS` ago; waiting letters stay."""
    await purge(database, _PURGE, FIRST_MOMENT)


def describe(error: BaseException) -> str:
    """Return an error in one line: its slug if it is an `AppError`, else its class, and its message."""
    name = error.slug if isinstance(error, AppError) else type(error).__name__
    return storable(f"{name}: {error}")


def describe_chain(error: BaseException) -> list[str]:
    """Return the error and its causes, the outermost first, each with the line that raised it."""
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _MAX_CHAIN:
        frames = traceback.extract_tb(link.__traceback__)
        where = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name})" if frames else ""
        chain.append(storable(f"{type(link).__name__}: {link}{where}"))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def storable(text: str) -> str:
    """Return text that PostgreSQL can store: without NUL and lone surrogates, cut to `_MAX_TEXT`."""
    return text.replace("\0", "\\0").encode(errors="replace").decode()[:_MAX_TEXT]


def from_row(row: Row) -> DeadLetter:
    """Return the letter of a row with `COLUMNS`."""
    fields = {name: row[name] for name in DeadLetter.__struct_fields__}
    body: bytes = fields["envelope"]
    try:
        fields["envelope"] = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields["envelope"] = body.decode(errors="replace")
    return DeadLetter(**fields)
