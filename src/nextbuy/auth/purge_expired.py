"""Job: purge expired refresh tokens and links, ended login sessions and old failures."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps


async def purge_expired(deps: Deps) -> None:
    """Purge the rows that expired before now."""
    await store.purge_expired(deps.database, at=deps.clock())
