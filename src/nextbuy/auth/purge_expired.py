"""Job: purge expired refresh tokens, ended sessions and old login failures."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps


async def purge_expired(deps: Deps) -> None:
    """Purge what expired before now."""
    await store.purge_expired(deps.database, at=deps.clock())
