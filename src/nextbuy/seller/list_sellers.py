"""Call ListSellers: sellers in a state, for the admins."""

from nextbuy.contracts.seller import ListSellers, Seller
from nextbuy.contracts.values import PAGE_LIMIT, Page
from nextbuy.seller import store
from nextbuy.seller.deps import Deps


async def list_sellers(deps: Deps, call: ListSellers) -> Page[Seller]:
    """Return sellers in a state, oldest first."""
    return await store.sellers(
        deps.database, call.status, limit=max(1, min(call.limit, PAGE_LIMIT)), cursor=call.cursor
    )
