"""Which generation of a projection is read, which is being built, and what goes away with one."""

import random
from typing import Final

from msgspec import Struct

from nextbuy.kit.storage.database import Executor, Transaction

_PARTS: Final = 8
_COUNT: Final = """
INSERT INTO projection_counts AS c (generation, name, part, events) VALUES ($1, $2, $3, $4)
ON CONFLICT (generation, name, part) DO UPDATE SET events = c.events + excluded.events
"""
_STANDING: Final = """
SELECT p.name, p.generation, coalesce(sum(c.events), 0)::bigint AS events
  FROM projections p LEFT JOIN projection_counts c ON c.name = p.name AND c.generation = p.generation
 GROUP BY p.name, p.generation ORDER BY p.name
"""


class Standing(Struct, frozen=True):
    """A projection, the generation of it that is read, and how many events that is made of."""

    name: str
    generation: int
    events: int


async def generations(tx: Transaction, name: str) -> list[int]:
    """Return the generations that events are applied to, which stay so until the transaction ends."""
    row = await tx.fetchrow("SELECT generation, building FROM projections WHERE name = $1 FOR SHARE", name)
    if row is None:
        message = f"there is no projection {name} in the database"
        raise LookupError(message)
    return [row["generation"], *([] if row["building"] is None else [row["building"]])]


async def lock(tx: Transaction) -> None:
    """Wait until nobody applies events to any projection, and let nobody begin before the transaction ends.

    A row's lock alone would not do: those who share it may follow each other without end, while who waits for a table
    is let in before all who come later.
    """
    await tx.execute("LOCK TABLE projections IN EXCLUSIVE MODE")


async def begin(tx: Transaction, name: str) -> int:
    """Have events applied to one more generation, and return which; the table is locked."""
    generation: int = await tx.fetchval(
        "UPDATE projections SET newest = newest + 1, building = newest + 1 WHERE name = $1 RETURNING building", name
    )
    return generation


async def switch(tx: Transaction, name: str, generation: int) -> int:
    """Have the generation that was built be read, and return the one that was; the table is locked."""
    old: int = await tx.fetchval("SELECT generation FROM projections WHERE name = $1", name)
    await tx.execute(
        "UPDATE projections SET generation = building, building = NULL WHERE name = $1 AND building = $2",
        name,
        generation,
    )
    return old


async def give_up(tx: Transaction, name: str, generation: int) -> None:
    """Have events not be applied any more to a generation that was being built; the table is locked."""
    await tx.execute("UPDATE projections SET building = NULL WHERE name = $1 AND building = $2", name, generation)


async def count(tx: Transaction, name: str, generation: int, events: int) -> None:
    """Count events that were applied."""
    await tx.execute(_COUNT, generation, name, random.randrange(_PARTS), events)  # noqa: S311  spreads; no secret


async def standing(reader: Executor) -> list[Standing]:
    """Return all projections, by name."""
    return [Standing(*row.values()) for row in await reader.fetch(_STANDING)]


async def clear(tx: Transaction, table: str, generation: int, *, most: int) -> int:
    """Take out at most so many rows of a generation, and return how many went."""
    gone = await tx.execute(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608  a name of ours
        f"SELECT ctid FROM {table} WHERE generation = $1 LIMIT $2))",
        generation,
        most,
    )
    return int(gone.split()[1])


async def clear_seen(tx: Transaction, handler: str, *, most: int) -> int:
    """Forget at most so many events that a generation has seen, and return how many."""
    gone = await tx.execute(
        "DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox WHERE handler = $1 LIMIT $2))", handler, most
    )
    return int(gone.split()[1])


async def clear_count(tx: Transaction, name: str, generation: int) -> None:
    """Forget how many events a generation was made of."""
    await tx.execute("DELETE FROM projection_counts WHERE generation = $1 AND name = $2", generation, name)
