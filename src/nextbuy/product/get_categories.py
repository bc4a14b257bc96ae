"""GET /product/api/get-categories: the categories of the whole catalogue, each with its number of products for sale.

The count reads an index of all products, about 25 ms for 100,000, at most once per `MAX_AGE` for all copies.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import CategoryCount
from nextbuy.product.store.categories import count_by_category

_MAX_CATEGORIES: Final = 500


class Categories(Struct, frozen=True):
    """The categories with products for sale, the largest first; at most 500."""

    items: Annotated[list[CategoryCount], Meta(max_length=_MAX_CATEGORIES)]


class AllCategories(Struct, frozen=True):
    """The request for all categories."""


async def get_categories(deps: Deps, _caller: Caller) -> Encoded[Categories]:
    """List the categories that have products for sale."""

    async def count() -> bytes:
        return encode(Categories(await count_by_category(deps.database, limit=_MAX_CATEGORIES)))

    return await deps.cache.load_reply("categories", count, share=("categories", AllCategories()))
