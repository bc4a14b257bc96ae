"""GET /product/api/search-products: full-text search of products for sale.

Products in stock come first, then the best match: the title counts most, then tags and category, then the description.
Equal matches are ordered by popularity. The last word may be a prefix. Only a bounded number of matches is ranked,
matches in the title first. Other orders and filters take the first `MAX_MATCHES` matches into account.
"""

import time
from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.filters import FilteredRequest
from nextbuy.product.model import Filters, search_terms, without_idle_minus
from nextbuy.product.store.lists import PageIds
from nextbuy.product.store.products import read_public
from nextbuy.product.store.search import SearchSort, search

_MAX_RANKING_AGE: Final = 30.0
"""Seconds after which results are ranked again."""


class SearchProducts(FilteredRequest, frozen=True, kw_only=True):
    """The words to search for, filters, and a sort order."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]
    sort: SearchSort = "relevance"


async def search_products(deps: Deps, _caller: Caller, request: SearchProducts) -> Encoded[Page[PublicProduct]]:
    """Search products for sale.

    Raises:
        Unprocessable: the lowest price is above the highest (`price-range-invalid`).
    """
    # Popularity changes without a change of any product, so the cache key expires by time.
    key = (request, int(time.monotonic() / _MAX_RANKING_AGE))
    return await deps.cache.load_page(
        key,
        partial(_page_ids, deps, request, request.filters()),
        partial(read_public, deps.database),
        share=("search", request),
    )


async def _page_ids(deps: Deps, request: SearchProducts, filters: Filters) -> PageIds:
    terms = search_terms(without_idle_minus(request.q))
    return await search(deps.database, terms, request.sort, filters, limit=request.limit, cursor=request.start)
