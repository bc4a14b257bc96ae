"""A job: expired refresh tokens, sessions that are over and old login failures are dropped, some at once."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps


async def purge_expired(deps: Deps) -> bool:
    """Drop them; return whether there may be more."""
    return await store.drop_old(deps.database, at=deps.clock())
