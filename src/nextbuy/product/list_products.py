"""Call ListProducts: the products in a status, of all shops."""

from nextbuy.contracts.product import ListProducts, Product
from nextbuy.contracts.values import PAGE_LIMIT, Page
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import list_by_status


async def list_products(deps: Deps, call: ListProducts) -> Page[Product]:
    """List the products in a status, oldest first."""
    limit = max(1, min(call.limit, PAGE_LIMIT))
    return await list_by_status(deps.database, call.status, limit=limit, cursor=call.cursor)
