"""A job: delete traces that are too old or, if all of them take too much space, the least important."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.traces.store import PURGE_LIMIT, purge_least_important, purge_old, stored_bytes


async def purge_traces(deps: Deps) -> bool:
    """Delete some of the batches beyond the age and the size of the settings; return true if there may be more."""
    if await purge_old(deps.database, deps.settings.trace_days) == PURGE_LIMIT:
        return True
    excess = await stored_bytes(deps.database) - deps.settings.trace_bytes
    return excess > 0 and await purge_least_important(deps.database, excess) == PURGE_LIMIT
