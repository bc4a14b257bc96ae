"""Every half second: what other processes have changed is taken off this one's shelf."""

import time

from nextbuy.product.deps import Deps
from nextbuy.product.store.changes import look


async def follow_changes(deps: Deps) -> None:
    """Look what was committed since the last look; each process looks for itself."""
    began = time.monotonic()
    deps.shelf.caught_up(began, await look(deps.database, deps.shelf.snapshot))
