"""Job: remove products that other processes have changed from this process's product cache."""

import time

from nextbuy.product.deps import Deps


async def poll_changes(deps: Deps) -> None:
    """Apply the changes committed since the last poll to the product cache of this process."""
    started = time.monotonic()
    deps.cache.apply_changes(started, await deps.feed.read(deps.cache.snapshot))
