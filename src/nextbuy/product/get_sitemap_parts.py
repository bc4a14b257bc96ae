"""GET /product/api/get-sitemap-parts: where each part of the whole catalogue begins, for sitemaps."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.paging import encode_cursor
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import SITEMAP_PRODUCTS, SITEMAP_SHOPS
from nextbuy.product.store.sitemap import MAX_PARTS, product_starts, shop_starts

Starts = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=MAX_PARTS)]
_KEY: Final = "sitemap-parts"


class SitemapParts(Struct, frozen=True):
    """The start of each part, for get-sitemap-products and get-sitemap-shops."""

    products: Starts
    shops: Starts


class AllParts(Struct, frozen=True):
    """The request for all parts."""


async def get_sitemap_parts(deps: Deps, _caller: Caller) -> Encoded[SitemapParts]:
    """List the parts of the catalogue: of at most 10,000 products or shops each."""

    async def read() -> bytes:
        products = [encode_cursor(SITEMAP_PRODUCTS, *start) for start in await product_starts(deps.database)]
        shops = [encode_cursor(SITEMAP_SHOPS, start) for start in await shop_starts(deps.database)]
        return encode(SitemapParts(products, shops))

    return await deps.cache.load_reply(_KEY, read, share=(_KEY, AllParts()))
