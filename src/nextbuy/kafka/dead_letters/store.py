"""Dead letters: events that could not be applied, stored with the reason until an operator replays or discards them.

There is one per subscription and event. A replay delivers the event to that subscription alone, or to every
subscription of its topic if the event could not be decoded. Later events have been applied by then, so every handler
must accept a late event. An event that the bus rejected has one dead letter, with its publisher (`parked_store.py`).
"""

import logging
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import Page, Timestamp, new_id
from nextbuy.kit.events.error_text import storable
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Row, Transaction
from nextbuy.kit.storage.retention import purge_statement

log: Final = logging.getLogger(__name__)

Status = Literal["waiting", "replaying", "replayed", "discarded"]
FilterText = Annotated[str, Meta(max_length=200)]

RETENTION_DAYS: Final = 90
"""Days that a replayed or discarded dead letter is stored, for audits."""
_MAX_COUNTED: Final = 100_000
"""The highest number of dead letters that is counted, so that a count is quick."""
_FIRST_YEAR, _LAST_YEAR = 1970, 9998

COLUMNS: Final = (
    "id, topic, event_id, event_type, destination, subscription, publisher, reason, error_chain, attempts, failed_at, "
    "envelope, status, replays, resolved_at, discard_reason"
)
MATCHES: Final = """
    ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR subscription = $2)
    AND ($3::text IS NULL OR starts_with(reason, $3)) AND ($4::text IS NULL OR event_type = $4)
    AND ($5::timestamptz IS NULL OR failed_at >= $5) AND ($6::timestamptz IS NULL OR failed_at < $6)
"""
"""SQL condition: a dead letter matches the filter whose `Filter.values` are $1 to $6."""

_INSERT: Final = """
    INSERT INTO dead_letters
        (id, delivery_key, topic, event_id, event_type, destination, subscription, reason, error_chain, attempts,
         envelope, position)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (delivery_key) DO NOTHING
"""

_LISTED: Final = COLUMNS.replace(
    "envelope", "CASE WHEN octet_length(envelope) > 10000 THEN substr(envelope, 1, 10000) ELSE envelope END AS envelope"
)
"""`COLUMNS` for a page, with the beginning of an envelope that is larger than 10,000 bytes."""
_PAGE: Final = f"""
    SELECT {_LISTED} FROM dead_letters
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

PURGE: Final = purge_statement(
    "dead_letters",
    "resolved_at",
    f"clock_timestamp() - interval '{RETENTION_DAYS} days'",
    partition="status IN ('replayed', 'discarded')",
    extra_condition="(status = 'replayed' OR publisher = '')",  # A discarded parked event would be collected again.
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

    A list holds only the first 10,000 bytes of a larger envelope, as text.

    `destination` and `subscription` are empty if the event could not be decoded, or if the bus rejected it;
    `publisher` is empty unless the bus rejected it. `resolved_at` is the time of its successful replay, or of its
    discard for `discard_reason`.
    """

    id: UUID
    topic: str
    event_id: UUID | None
    event_type: str
    reason: str
    attempts: int
    failed_at: Timestamp
    envelope: Any
    destination: str
    subscription: str
    publisher: str
    error_chain: list[str]
    status: Status
    replays: int
    resolved_at: Timestamp | None
    discard_reason: str


class Filter(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A filter of dead letters: all given fields must match; `reason` matches the beginning.

    An empty `subscription` selects events that could not be decoded or published. Unknown fields are refused, because
    a misspelt one would select more than was meant.
    """

    topic: FilterText | UnsetType = UNSET
    subscription: FilterText | UnsetType = UNSET
    reason: FilterText | UnsetType = UNSET
    event_type: FilterText | UnsetType = UNSET
    since: Timestamp | UnsetType = UNSET
    until: Timestamp | UnsetType = UNSET

    def values(self) -> list[object]:
        """Return the parameters of `MATCHES`; raise Unprocessable (`invalid-time`) if a time is out of range."""
        for moment in (self.since, self.until):
            if moment is not UNSET and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
                raise InvalidTime(f"Time out of range. Use a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
        criteria = (self.topic, self.subscription, self.reason, self.event_type, self.since, self.until)
        return [None if value is UNSET else value for value in criteria]


ALL: Final = Filter()


class NewDeadLetter(Struct, frozen=True, kw_only=True):
    """A dead letter to store, unless one with its `delivery_key` exists."""

    delivery_key: str
    topic: str
    event_id: UUID | None
    event_type: str
    """Empty if not even the envelope could be decoded."""
    destination: str
    subscription: str
    reason: str
    errors: list[str]
    attempts: int
    body: bytes
    position: int


async def store_dead_letters(database: Database, letters: Sequence[NewDeadLetter]) -> None:
    """Store dead letters in one transaction; existing ones stay as they are."""
    rows = [
        (
            new_id(),
            letter.delivery_key,
            letter.topic,
            letter.event_id,
            storable(letter.event_type),
            letter.destination,
            letter.subscription,
            storable(letter.reason),
            [storable(error) for error in letter.errors],
            letter.attempts,
            letter.body,
            letter.position,
        )
        for letter in letters
    ]
    async with database.transaction() as tx:
        await tx.executemany(_INSERT, rows)
    for letter in letters:
        log.error(
            "event dead-lettered; it waits for an operator",
            extra={
                "topic": letter.topic,
                "event_id": letter.event_id,
                "subscription": letter.subscription,
                "reason": letter.reason,
            },
        )


async def list_dead_letters(
    db: Executor, limit: int, cursor: str | None = None, *, status: Status | None = None, only: Filter = ALL
) -> Page[DeadLetter]:
    """Return a page of dead letters, newest first.

    Raises:
        Unprocessable: the cursor is invalid, or a time is out of range.
    """
    listed = ("dead-letters", *only.values(), status)
    below = decode_cursor(listed, cursor, UUID)[0] if cursor else None
    rows = await db.fetch(_PAGE, *only.values(), status, below, limit + 1)
    letters = [from_row(row) for row in rows[:limit]]
    return Page(letters, encode_cursor(listed, letters[-1].id) if len(rows) > limit else None)


async def count_waiting(db: Executor) -> int:
    """Return the number of dead letters that wait for an operator, at most `_MAX_COUNTED`."""
    sql = "SELECT count(*) FROM (SELECT FROM dead_letters WHERE status = 'waiting' LIMIT $1) AS waiting"
    return int(await db.fetchval(sql, _MAX_COUNTED))


async def get_dead_letter(db: Executor, letter_id: UUID) -> DeadLetter:
    """Return one dead letter."""
    row = await db.fetchrow(f"SELECT {COLUMNS} FROM dead_letters WHERE id = $1", letter_id)  # noqa: S608
    if row is None:
        raise DeadLetterNotFound
    return from_row(row)


async def discard(tx: Transaction, letter_id: UUID, reason: str) -> DeadLetter:
    """Discard a dead letter; nothing can undo this.

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
    """Return the error for an operation on a dead letter that was replayed or discarded."""
    if letter.status == "replayed":
        return DeadLetterReplayed()
    return DeadLetterDiscarded()


def from_row(row: Row) -> DeadLetter:
    """Return the dead letter in a row with `COLUMNS`."""
    fields = {name: row[name] for name in DeadLetter.__struct_fields__}
    body: bytes = fields["envelope"]
    try:
        fields["envelope"] = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields["envelope"] = body.decode(errors="replace")
    return DeadLetter(**fields)
