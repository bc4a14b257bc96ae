"""Job: purge the dead letters that were resolved long ago."""

from nextbuy.kafka.dead_letters.store import PURGE
from nextbuy.kafka.deps import Deps
from nextbuy.kit.storage.retention import FIRST_MOMENT, purge


async def purge_dead_letters(deps: Deps) -> None:
    """Purge dead letters that were replayed or discarded more than `RETENTION_DAYS` ago; keep the waiting ones."""
    await purge(deps.database, PURGE, FIRST_MOMENT)
