"""The SQL of the search index."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.admin.search_index import RENAMED, Entry
from nextbuy.contracts.values import Page, Timestamp
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Executor, Transaction

KINDS: Final = ("order", "payment", "product", "shop")
MAX_PER_KIND: Final = 10
"""Entries of each kind that a search returns."""
MAX_COUNT: Final = 1_000
"""Entries of one status that are counted at most: a count reads each of them from the index."""

_UPSERT: Final = """
    WITH indexed AS (
        INSERT INTO search_terms AS t (kind, id, term, position)
        SELECT * FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[])
        ON CONFLICT (kind, term, id) DO UPDATE SET position = excluded.position WHERE excluded.position > t.position
    )
    INSERT INTO search_entries AS e (kind, id, status, at, position, title, reason, person_id,
                                     title_position, reason_position, person_position)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[],
                         $8::uuid[], $9::bigint[], $10::bigint[], $11::bigint[])
    ON CONFLICT (kind, id) DO UPDATE SET
        status = CASE WHEN excluded.position > e.position THEN excluded.status ELSE e.status END,
        title = CASE WHEN excluded.title_position > e.title_position THEN excluded.title ELSE e.title END,
        reason = CASE WHEN excluded.reason_position > e.reason_position THEN excluded.reason ELSE e.reason END,
        person_id = CASE WHEN excluded.person_position > e.person_position THEN excluded.person_id ELSE e.person_id END,
        at = least(excluded.at, e.at),
        position = greatest(excluded.position, e.position),
        title_position = greatest(excluded.title_position, e.title_position),
        reason_position = greatest(excluded.reason_position, e.reason_position),
        person_position = greatest(excluded.person_position, e.person_position),
        changed_in = excluded.changed_in
"""
_DELETE_EARLIER_TERMS: Final = """
    DELETE FROM search_terms AS t USING search_entries AS e
     WHERE (t.kind, t.id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
       AND e.kind = t.kind AND e.id = t.id AND t.position < e.position
"""
_ENTRY: Final = """
    e.kind, e.id, e.title, e.status, CASE e.status WHEN 'paid' THEN '' ELSE e.reason END AS reason, e.person_id, e.at
"""
"""The columns of an `IndexedEntry`. A paid one has no reason: that of a card declined earlier is obsolete."""
_SEARCH: Final = f"""
    SELECT {_ENTRY}
      FROM unnest($1::text[]) WITH ORDINALITY AS k (kind, place)
      CROSS JOIN LATERAL (
          SELECT id, min(term) AS term FROM (
              SELECT id, term FROM search_terms AS t
               WHERE t.kind = k.kind AND t.term >= $2 COLLATE "C" AND t.term < ($2 || chr(1114111)) COLLATE "C"
               ORDER BY t.term, t.id LIMIT $3
          ) AS hits GROUP BY id
      ) AS hit
      JOIN search_entries AS e ON e.kind = k.kind AND e.id = hit.id
     ORDER BY k.place, hit.term, e.at DESC
"""  # noqa: S608  constant columns, as below
_OF_PERSON: Final = f"""
    SELECT {_ENTRY} FROM search_entries AS e
     WHERE person_id = $1 AND kind = $2 ORDER BY at DESC, id DESC LIMIT $3
"""  # noqa: S608
_BY_STATUS: Final = f"""
    SELECT {_ENTRY} FROM search_entries AS e
     WHERE kind = $1 AND status = $2 AND ($3::timestamptz IS NULL OR (at, id) < ($3, $4))
     ORDER BY at DESC, id DESC LIMIT $5
"""  # noqa: S608
_COUNT: Final = """
    SELECT s.status, counted.count
      FROM unnest($2::text[]) WITH ORDINALITY AS s (status, place)
      CROSS JOIN LATERAL (
          SELECT count(*) AS count FROM (
              SELECT FROM search_entries AS e WHERE e.kind = $1 AND e.status = s.status LIMIT $3
          ) AS bounded
      ) AS counted
     ORDER BY s.place
"""


class IndexedEntry(Struct, frozen=True, kw_only=True):
    """An order, a payment, a product or a shop, as the search index describes it."""

    kind: str
    id: str
    title: str
    status: str
    reason: str
    person_id: UUID | None
    at: Timestamp


class StatusCount(Struct, frozen=True):
    """The number of entries with a status; `more` means that there are more than `count`."""

    status: str
    count: int
    more: bool


async def store_entries(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Store entries in the order of their keys. A late event fills empty fields, and overwrites nothing newer."""
    terms = [(entry, term) for entry in entries for term in entry.terms]
    await tx.execute(
        _UPSERT,
        [entry.kind for entry in entries],
        [entry.id for entry in entries],
        [entry.status for entry in entries],
        [entry.at for entry in entries],
        [entry.position for entry in entries],
        [entry.title for entry in entries],
        [entry.reason for entry in entries],
        [entry.person_id for entry in entries],
        [entry.title_position for entry in entries],
        [entry.reason_position for entry in entries],
        [entry.person_position for entry in entries],
        [entry.kind for entry, _ in terms],
        [entry.id for entry, _ in terms],
        [term for _, term in terms],
        [entry.position if entry.kind in RENAMED else 0 for entry, _ in terms],
    )
    renamed = [entry for entry in entries if entry.kind in RENAMED]
    if renamed:
        await tx.execute(_DELETE_EARLIER_TERMS, [entry.kind for entry in renamed], [entry.id for entry in renamed])


async def search_entries(db: Executor, term: str) -> list[IndexedEntry]:
    """Return the entries with a term that begins with `term`, up to `MAX_PER_KIND` of each kind."""
    rows = await db.fetch(_SEARCH, list(KINDS), term, MAX_PER_KIND)
    return [IndexedEntry(**row) for row in rows]


async def entries_of_person(db: Executor, person_id: UUID, kind: str, limit: int) -> list[IndexedEntry]:
    """Return the entries of one kind of a person, newest first."""
    return [IndexedEntry(**row) for row in await db.fetch(_OF_PERSON, person_id, kind, limit)]


async def entries_by_status(
    db: Executor, kind: str, status: str, *, limit: int, cursor: str | None
) -> Page[IndexedEntry]:
    """Return a page of the entries of one kind with a status, newest first.

    Raises:
        Unprocessable: the cursor is invalid.
    """
    listed = ("by-status", kind, status)
    at, entry_id = decode_cursor(listed, cursor, datetime, str) if cursor else (None, None)
    rows = await db.fetch(_BY_STATUS, kind, status, at, entry_id, limit + 1)
    entries = [IndexedEntry(**row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(entries, encode_cursor(listed, entries[-1].at, entries[-1].id) if more else None)


async def count_entries(db: Executor, kind: str, statuses: Sequence[str]) -> list[StatusCount]:
    """Count the entries of one kind by status, up to `MAX_COUNT` each, in the order of `statuses`."""
    rows = await db.fetch(_COUNT, kind, statuses, MAX_COUNT + 1)
    return [StatusCount(row["status"], min(row["count"], MAX_COUNT), row["count"] > MAX_COUNT) for row in rows]
