"""ListProducts: which products are in this state, oldest first?"""

from nextbuy.contracts.product import ListProducts, Product
from nextbuy.contracts.values import PAGE_LIMIT, Page
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import in_status


async def list_products(deps: Deps, call: ListProducts) -> Page[Product]:
    """List products by state, of every shop."""
    limit = max(1, min(call.limit, PAGE_LIMIT))
    return await in_status(deps.database, call.status, limit=limit, cursor=call.cursor)
