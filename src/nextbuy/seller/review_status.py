"""The number of shops to review, for `GET /health/status`."""

from nextbuy.seller import store
from nextbuy.seller.deps import Deps


async def review_status(deps: Deps) -> dict[str, object]:
    """Return the number of shops that wait for a decision."""
    return {"reviews": {"shops": await store.count_pending(deps.database)}}
