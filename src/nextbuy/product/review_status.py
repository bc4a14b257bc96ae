"""The number of products to review, for `GET /health/status`."""

from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import count_pending


async def review_status(deps: Deps) -> dict[str, object]:
    """Return the number of products that wait for a decision."""
    return {"reviews": {"products": await count_pending(deps.database)}}
