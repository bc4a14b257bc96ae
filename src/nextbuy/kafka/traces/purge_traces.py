"""A job: delete interactions that are too old or, if all of them take too much space, the least important."""

from nextbuy.kafka.deps import Deps
from nextbuy.kafka.traces.store import PURGE_LIMIT, purge_least_important, purge_old, stored_bytes


async def purge_traces(deps: Deps) -> bool:
    """Delete up to `PURGE_LIMIT` batches beyond the age or size of the settings; return whether there may be more."""
    if await purge_old(deps.database, deps.settings.trace_days) == PURGE_LIMIT:
        return True
    excess = await stored_bytes(deps.database) - deps.settings.trace_bytes
    return excess > 0 and await purge_least_important(deps.database, excess) == PURGE_LIMIT
