"""GET /product/api/search-products: products for sale by their words, what is in stock first, best first.

Words of the title weigh most, then tags and category, then the description. The last word may be a beginning. Where
very many are found, some hundreds of them are ranked, those first whose title has the words; a search of words that
are in every text finds nothing. Of what fits equally well, what is bought and seen more comes first.
"""

import time
from functools import partial
from typing import Annotated, Final

from msgspec import UNSET, Meta

from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import search_terms
from nextbuy.product.store.lists import Chosen, found
from nextbuy.product.store.products import read_public

_POPULAR_FOR: Final = 30.0
"""Seconds after which the order of what is found is looked up again."""


class SearchProducts(PageRequest, frozen=True, kw_only=True):
    """What for."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]


async def search_products(deps: Deps, _caller: Caller, request: SearchProducts) -> Encoded[Page[Product]]:
    """Search products for sale."""
    # What is popular changes without any product's changing, so no page is kept for longer than a while.
    key = (request, int(time.monotonic() / _POPULAR_FOR))
    return await deps.shelf.page(key, partial(_choose, deps, request), partial(read_public, deps.database))


async def _choose(deps: Deps, request: SearchProducts) -> Chosen:
    words, beginning = search_terms(request.q)
    cursor = None if request.cursor is UNSET else request.cursor
    return await found(deps.database, words, beginning, limit=request.limit, cursor=cursor)
