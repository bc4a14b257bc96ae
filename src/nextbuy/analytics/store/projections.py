"""The SQL of projections: their current generation, the one that a rebuild fills, and the deletion of old ones."""

from typing import Final

from msgspec import Struct

from nextbuy.kit.storage.database import Executor, Transaction

_SUMMARIES: Final = """
SELECT p.name, p.generation, coalesce(sum(c.events), 0)::bigint AS events
  FROM projections p LEFT JOIN projection_counts c ON c.name = p.name AND c.generation = p.generation
 GROUP BY p.name, p.generation ORDER BY p.name
"""


class ProjectionSummary(Struct, frozen=True):
    """A projection, its current generation, and the number of events in it."""

    name: str
    generation: int
    events: int


async def lock_generations(tx: Transaction, name: str) -> list[int]:
    """Return the generations that events are applied to: the current one and, during a rebuild, the new one.

    They stay the same until the transaction ends. The lock is shared with other consumers.
    """
    row = await tx.fetchrow("SELECT generation, building FROM projections WHERE name = $1 FOR SHARE", name)
    if row is None:
        message = f"projection {name} is missing in the database"
        raise LookupError(message)
    return [row["generation"], *([] if row["building"] is None else [row["building"]])]


async def lock_exclusively(tx: Transaction) -> None:
    """Wait until no consumer applies events to any projection, and keep consumers waiting until the transaction ends.

    A row lock is not enough: consumers that share it can overlap without end. A table lock is granted before any lock
    that is requested later.
    """
    await tx.execute("LOCK TABLE projections IN EXCLUSIVE MODE")


async def start_generation(tx: Transaction, name: str) -> int:
    """Start and return a new generation, to which events are applied from now on. Needs `lock_exclusively`."""
    generation: int = await tx.fetchval(
        "UPDATE projections SET newest = newest + 1, building = newest + 1 WHERE name = $1 RETURNING building", name
    )
    return generation


async def switch_generation(tx: Transaction, name: str, generation: int) -> int:
    """Make the new generation the current one, and return the old one. Needs `lock_exclusively`."""
    old: int = await tx.fetchval("SELECT generation FROM projections WHERE name = $1", name)
    await tx.execute(
        "UPDATE projections SET generation = building, building = NULL WHERE name = $1 AND building = $2",
        name,
        generation,
    )
    return old


async def abandon_generation(tx: Transaction, name: str, generation: int) -> None:
    """Stop applying events to the new generation. Needs `lock_exclusively`."""
    await tx.execute("UPDATE projections SET building = NULL WHERE name = $1 AND building = $2", name, generation)


async def summaries(db: Executor) -> list[ProjectionSummary]:
    """Return all projections, by name."""
    return [ProjectionSummary(*row.values()) for row in await db.fetch(_SUMMARIES)]


async def delete_rows(tx: Transaction, table: str, generation: int, *, limit: int) -> int:
    """Delete up to `limit` rows of a generation, and return their number."""
    deleted = await tx.execute(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608  a name of our own
        f"SELECT ctid FROM {table} WHERE generation = $1 LIMIT $2))",
        generation,
        limit,
    )
    return int(deleted.split()[1])


async def delete_inbox_rows(tx: Transaction, subscription: str, *, limit: int) -> int:
    """Delete up to `limit` inbox rows with a name, and return their number."""
    deleted = await tx.execute(
        "DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox WHERE subscription = $1 LIMIT $2))",
        subscription,
        limit,
    )
    return int(deleted.split()[1])


async def delete_counts(tx: Transaction, name: str, generation: int) -> None:
    """Delete the counts of events in a generation."""
    await tx.execute("DELETE FROM projection_counts WHERE generation = $1 AND name = $2", generation, name)
