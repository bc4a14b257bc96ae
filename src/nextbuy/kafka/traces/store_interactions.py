"""StoreInteractions: store the interactions of a process."""

from nextbuy.contracts.traces import StoreInteractions
from nextbuy.contracts.values import Nothing
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.traces.store import insert_batches


async def store_interactions(deps: Deps, call: StoreInteractions) -> Nothing:
    """Store batches of interactions, each once."""
    if call.batches:
        await insert_batches(deps.database, call.batches)
    return Nothing()
