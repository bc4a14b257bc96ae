"""GET /product/api/get-products?ids=…: several products at once, in the order in which they are named."""

from functools import partial
from typing import Annotated, Final

from msgspec import Meta, Struct

from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import id_of
from nextbuy.product.store.lists import Chosen
from nextbuy.product.store.products import read_public

_MOST: Final = 50


class GetProducts(Struct, frozen=True):
    """Which: at most 50 ids, with commas between."""

    ids: Annotated[str, Meta(min_length=36, max_length=_MOST * 37)]


async def get_products(deps: Deps, _caller: Caller, request: GetProducts) -> Encoded[Page[Product]]:
    """Return those of these products that anyone may see."""
    named = [id_of(one) for one in request.ids.split(",")]
    ids = list(dict.fromkeys(str(one) for one in named if one is not None))
    if None in named or len(ids) > _MOST:
        raise Unprocessable(f"`ids` are at most {_MOST} ids of products, with commas between.", slug="bad-ids")

    async def choose() -> Chosen:
        return Chosen(ids, None)

    return await deps.shelf.page(("products", *ids), choose, partial(read_public, deps.database))
