"""The SQL of traces: batches of interactions, their keys, and their deletion."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from nextbuy.contracts.traces import TraceBatch
from nextbuy.kit.storage.database import Database, Row

_BYTES_PER_KEY: Final = 24
"""8 in the row, and roughly 16 in the index."""
_BYTES_PER_ROW: Final = 150
PURGE_LIMIT: Final = 500
"""Batches per statement."""


async def insert_batches(db: Database, batches: Sequence[TraceBatch]) -> None:
    """Store batches, each once: a batch that is sent again changes nothing."""
    keys = [key for batch in batches for key in batch.keys]
    lengths = [len(batch.keys) for batch in batches]
    await db.execute(
        """
        INSERT INTO trace_batches (id, importance, bytes, keys, lines)
        SELECT id, importance, bytes, ($1::bigint[])[last - length + 1:last], lines
        FROM (
            SELECT *, sum(length) OVER (ORDER BY ordinal)::integer AS last
            FROM unnest($2::uuid[], $3::smallint[], $4::integer[], $5::integer[], $6::bytea[])
                 WITH ORDINALITY AS new (id, importance, bytes, length, lines, ordinal)
        ) AS placed
        ON CONFLICT DO NOTHING
        """,
        keys,
        [batch.id for batch in batches],
        [batch.importance for batch in batches],
        [
            len(batch.lines) + _BYTES_PER_KEY * length + _BYTES_PER_ROW
            for batch, length in zip(batches, lengths, strict=True)
        ],
        lengths,
        [batch.lines for batch in batches],
    )


async def find_batches(db: Database, keys: Collection[int], known: Collection[UUID], limit: int) -> list[Row]:
    """Return batches that have any of the keys, except the `known` ones: the most important first, then the newest."""
    return await db.fetch(
        """
        SELECT id, lines FROM trace_batches
        WHERE keys && $1::bigint[] AND id <> ALL ($2::uuid[])
        ORDER BY importance DESC, stored_at DESC LIMIT $3
        """,
        list(keys),
        list(known),
        limit,
    )


async def purge_old(db: Database, days: float) -> int:
    """Delete up to `PURGE_LIMIT` batches that are older than `days`, and return their number."""
    rows = await db.fetch(
        """
        WITH old AS (
            SELECT id FROM (VALUES (0), (1), (2)) AS level (importance) CROSS JOIN LATERAL (
                SELECT id FROM trace_batches
                WHERE trace_batches.importance = level.importance AND stored_at < now() - $1::interval
                ORDER BY stored_at LIMIT $2
            ) AS oldest LIMIT $2
        )
        DELETE FROM trace_batches USING old WHERE trace_batches.id = old.id RETURNING trace_batches.id
        """,
        timedelta(days=days),
        PURGE_LIMIT,
    )
    return len(rows)


async def stored_bytes(db: Database) -> int:
    """Return the bytes that all batches take."""
    return int(await db.fetchval("SELECT coalesce(sum(bytes), 0)::bigint FROM trace_batches"))


async def purge_least_important(db: Database, excess: int) -> int:
    """Delete up to `PURGE_LIMIT` batches, oldest of the least important first, until `excess` bytes are free."""
    rows = await db.fetch(
        """
        WITH next AS (
            SELECT id, sum(bytes) OVER (ORDER BY importance, stored_at, id) - bytes AS before
            FROM (
                SELECT importance, stored_at, id, bytes FROM trace_batches
                ORDER BY importance, stored_at, id LIMIT $2
            ) AS first
        )
        DELETE FROM trace_batches USING next
        WHERE trace_batches.id = next.id AND next.before < $1 RETURNING trace_batches.id
        """,
        excess,
        PURGE_LIMIT,
    )
    return len(rows)
