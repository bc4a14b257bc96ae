"""Job: release holds that expired long ago and that no service has released.

Order releases the holds of its payment sessions. A hold without a session remains if order's process dies between
the hold and the session; this job releases it. A later payment commits the units again (`update_stock`) or is refused.
"""

from typing import Final

from nextbuy.product.deps import Deps
from nextbuy.product.store.stock import release_expired as release_one

GRACE: Final = 300.0
"""Seconds after a payment session's expiry during which only order releases its hold."""


async def release_expired(deps: Deps) -> bool:
    """Release one expired hold; return whether there was one, so that the job runs again at once."""
    product_ids = await release_one(deps.database, GRACE)
    if product_ids is None:
        return False
    deps.cache.invalidate(product_ids)
    return True
