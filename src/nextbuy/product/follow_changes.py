"""Every half second: what other processes have changed is taken off this one's shelf."""

import time

from nextbuy.product.deps import Deps
from nextbuy.product.store.changes import look


async def follow_changes(product: Deps) -> None:
    """Look what was committed since the last look; each process looks for itself."""
    began = time.monotonic()
    product.shelf.caught_up(began, await look(product.database, product.shelf.snapshot))
