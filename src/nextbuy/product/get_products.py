"""GET /product/api/get-products?ids=…: several products at once, in the order of their ids."""

from functools import partial
from typing import Annotated, Final

from msgspec import Meta, Struct

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page, parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Encoded
from nextbuy.product.deps import Deps
from nextbuy.product.model import InvalidIds
from nextbuy.product.store.lists import PageIds
from nextbuy.product.store.products import read_public

_MAX_IDS: Final = 50


class GetProducts(Struct, frozen=True):
    """At most 50 product ids, separated by commas."""

    ids: Annotated[str, Meta(min_length=36, max_length=_MAX_IDS * 37)]


async def get_products(deps: Deps, _caller: Caller, request: GetProducts) -> Encoded[Page[PublicProduct]]:
    """Show several products; products that are not for sale are left out."""
    parsed = [parse_uuid(item) for item in request.ids.split(",")]
    ids = list(dict.fromkeys(str(product_id) for product_id in parsed if product_id is not None))
    if None in parsed or len(ids) > _MAX_IDS:
        raise InvalidIds(f"Invalid ids. Send 1 to {_MAX_IDS} product ids, separated by commas.")

    async def page_ids() -> PageIds:
        return PageIds(ids, None)

    return await deps.cache.load_page(("products", *ids), page_ids, partial(read_public, deps.database))
