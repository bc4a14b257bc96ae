"""Job: purge the dead letters that were resolved long ago."""

from nextbuy.kafka.dead_letters.store import PURGE
from nextbuy.kafka.deps import Deps
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge


async def purge_dead_letters(deps: Deps) -> None:
    """Purge the letters that were replayed or discarded more than `RETENTION_DAYS` ago; waiting letters stay."""
    await purge(deps.database, PURGE, FIRST_MOMENT)
