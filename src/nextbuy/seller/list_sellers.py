"""Call ListSellers: the sellers in a status, for admins."""

from nextbuy.contracts.seller import ListSellers, Seller
from nextbuy.contracts.values import Page
from nextbuy.seller import store
from nextbuy.seller.deps import Deps


async def list_sellers(deps: Deps, call: ListSellers) -> Page[Seller]:
    """List the sellers in a status, oldest first."""
    return await store.list_sellers(deps.database, call.status, limit=call.limit, cursor=call.cursor)
