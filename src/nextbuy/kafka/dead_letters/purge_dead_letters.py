"""Dead letters that were replayed or discarded are dropped after 90 days; those that wait stay until somebody acts."""

from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters.store import purge_settled


async def purge_dead_letters(deps: Deps) -> bool:
    """Drop some, and say whether there may be more."""
    return await purge_settled(deps.database)
