"""GET /product/api/get-sitemap-products: the slugs of one part of the catalogue, for a sitemap."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.values import Timestamp
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.paging import decode_cursor
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import PART_SIZE, SITEMAP_PRODUCTS
from nextbuy.product.store.sitemap import products_from

_FIRST: Final = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


class SitemapStart(Struct, frozen=True):
    """The start of a part, from get-sitemap-parts; without one, the first part."""

    start: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET


class SitemapProduct(Struct, frozen=True):
    """A product for sale, and when its content last changed."""

    slug: str
    changed_at: Timestamp


class SitemapProducts(Struct, frozen=True):
    """The products for sale of one part."""

    items: Annotated[list[SitemapProduct], Meta(max_length=PART_SIZE)]


async def get_sitemap_products(deps: Deps, _caller: Caller, request: SitemapStart) -> Encoded[SitemapProducts]:
    """List the products for sale of one part of the catalogue."""
    start = _FIRST if request.start is UNSET else decode_cursor(SITEMAP_PRODUCTS, request.start, datetime, UUID)

    async def read() -> bytes:
        rows = await products_from(deps.database, *start)
        return encode(SitemapProducts([SitemapProduct(row["slug"], row["changed_at"]) for row in rows]))

    return await deps.cache.load_reply(("sitemap-products", start), read, share=("sitemap-products", request))
