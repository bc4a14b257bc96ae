"""Every ten minutes: delete dead letters that were replayed or discarded long ago."""

from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters import store


async def purge_dead_letters(deps: Deps) -> None:
    """Delete resolved dead letters whose retention is over."""
    await store.purge_dead_letters(deps.database)
