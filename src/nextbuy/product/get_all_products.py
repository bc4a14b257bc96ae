"""GET /product/api/get-all-products: all products for sale, sold-out ones included.

A page examines at most `MAX_SCANNED` products. With filters that few products pass, it may therefore have fewer items
than its limit, even none, and still have a cursor.
"""

from functools import partial

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.filters import FilteredRequest
from nextbuy.product.model import Filters
from nextbuy.product.store.lists import PageIds, Sort, list_for_sale
from nextbuy.product.store.products import read_public


class GetAllProducts(FilteredRequest, frozen=True, kw_only=True):
    """Filters and a sort order."""

    sort: Sort = "latest"


async def get_all_products(deps: Deps, _caller: Caller, request: GetAllProducts) -> Encoded[Page[PublicProduct]]:
    """List products for sale. A page may be short, and still have a cursor, if few products pass the filters.

    Raises:
        Unprocessable: the lowest price is above the highest (`price-range-invalid`).
    """
    return await deps.cache.load_page(
        request,
        partial(_page_ids, deps, request, request.filters()),
        partial(read_public, deps.database),
        share=("list", request),
    )


async def _page_ids(deps: Deps, request: GetAllProducts, filters: Filters) -> PageIds:
    return await list_for_sale(deps.database, request.sort, filters, limit=request.limit, cursor=request.start)
