"""GET /product/api/get-all-products: what can be bought, and what is sold out for the moment."""

from functools import partial

from msgspec import UNSET, UnsetType

from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Category, Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import tidy
from nextbuy.product.store.lists import Chosen, Sort, for_sale
from nextbuy.product.store.products import read_public


class GetAllProducts(PageRequest, frozen=True):
    """Of which category (however it is capitalised), and in what order."""

    category: Category | UnsetType = UNSET
    sort: Sort = "latest"


async def get_all_products(deps: Deps, _caller: Caller, request: GetAllProducts) -> Encoded[Page[Product]]:
    """List products for sale."""
    return await deps.shelf.page(request, partial(_choose, deps, request), partial(read_public, deps.database))


async def _choose(deps: Deps, request: GetAllProducts) -> Chosen:
    category = None if request.category is UNSET else tidy(request.category)
    cursor = None if request.cursor is UNSET else request.cursor
    return await for_sale(deps.database, request.sort, category, limit=request.limit, cursor=cursor)
