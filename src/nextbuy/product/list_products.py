"""Call ListProducts: the products in a status, of all shops."""

from nextbuy.contracts.product import ListProducts, Product
from nextbuy.contracts.values import Page
from nextbuy.product.deps import Deps
from nextbuy.product.store.lists import list_by_status


async def list_products(deps: Deps, call: ListProducts) -> Page[Product]:
    """List the products in a status, oldest first."""
    return await list_by_status(deps.database, call.status, limit=call.limit, cursor=call.cursor)
