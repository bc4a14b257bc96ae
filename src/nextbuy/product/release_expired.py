"""Job: release holds that expired long ago and that no service has released.

Order releases the holds of its payment sessions. A hold without a session remains if order's process dies between
the hold and the session; this job releases it. A later payment commits the units again (`update_stock`) or is refused.
"""

from typing import Final

from nextbuy.product.deps import Deps
from nextbuy.product.store.stock import release_expired as release_batch

GRACE: Final = 300.0
"""Seconds after a payment session's expiry during which only order releases its hold."""
BATCH: Final = 50
"""Holds released by one statement, which locks all their products."""


async def release_expired(deps: Deps) -> bool:
    """Release a batch of expired holds; return whether there may be more, so that the job runs again at once."""
    released = await release_batch(deps.database, GRACE, BATCH)
    deps.cache.invalidate({product_id for product_ids in released for product_id in product_ids})
    return len(released) == BATCH
