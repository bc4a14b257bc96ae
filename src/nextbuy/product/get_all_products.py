"""GET /product/api/get-all-products: all products for sale, sold-out ones included."""

from functools import partial

from msgspec import UNSET, UnsetType

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Category, Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import tidy
from nextbuy.product.store.lists import PageIds, Sort, list_for_sale
from nextbuy.product.store.products import read_public


class GetAllProducts(PageRequest, frozen=True):
    """A category (not case-sensitive) and a sort order."""

    category: Category | UnsetType = UNSET
    sort: Sort = "latest"


async def get_all_products(deps: Deps, _caller: Caller, request: GetAllProducts) -> Encoded[Page[PublicProduct]]:
    """List products for sale."""
    return await deps.cache.load_page(
        request, partial(_page_ids, deps, request), partial(read_public, deps.database), share=("list", request)
    )


async def _page_ids(deps: Deps, request: GetAllProducts) -> PageIds:
    category = None if request.category is UNSET else tidy(request.category)
    return await list_for_sale(deps.database, request.sort, category, limit=request.limit, cursor=request.start)
