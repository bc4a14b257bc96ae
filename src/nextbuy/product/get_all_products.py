"""GET /product/api/get-all-products: what can be bought, and what is sold out for the moment."""

from functools import partial

from msgspec import UNSET, UnsetType

from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Category, Page, PageAsk
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import tidy
from nextbuy.product.store.lists import Chosen, Sort, for_sale
from nextbuy.product.store.products import read_public


class GetAllProducts(PageAsk, frozen=True):
    """Of which category (however it is capitalised), and in what order."""

    category: Category | UnsetType = UNSET
    sort: Sort = "latest"


async def get_all_products(product: Deps, _caller: Caller, ask: GetAllProducts) -> Encoded[Page[Product]]:
    """List products for sale."""
    return await product.shelf.page(ask, partial(_choose, product, ask), partial(read_public, product.database))


async def _choose(product: Deps, ask: GetAllProducts) -> Chosen:
    category = None if ask.category is UNSET else tidy(ask.category)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await for_sale(product.database, ask.sort, category, limit=ask.limit, cursor=cursor)
