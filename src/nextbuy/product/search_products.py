"""GET /product/api/search-products: products for sale by their words, what is in stock first, best first.

Words of the title weigh most, then tags and category, then the description. The last word may be a beginning. Where
very many are found, some hundreds of them are ranked, those first whose title has the words; a search of words that
are in every text finds nothing.
"""

from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta

from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import search_terms
from nextbuy.product.store.lists import Chosen, found
from nextbuy.product.store.products import read_public


class SearchProducts(PageAsk, frozen=True, kw_only=True):
    """What for."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]


async def search_products(product: Deps, _caller: Caller, ask: SearchProducts) -> Encoded[Page[Product]]:
    """Search products for sale."""
    return await product.shelf.page(ask, partial(_choose, product, ask), partial(read_public, product.database))


async def _choose(product: Deps, ask: SearchProducts) -> Chosen:
    words, beginning = search_terms(ask.q)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await found(product.database, words, beginning, limit=ask.limit, cursor=cursor)
