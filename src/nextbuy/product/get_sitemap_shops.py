"""GET /product/api/get-sitemap-shops: the slugs of one part of the shops, for a sitemap."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.paging import decode_cursor
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import PART_SIZE, SITEMAP_SHOPS
from nextbuy.product.store.sitemap import shops_from


class SitemapShopsStart(Struct, frozen=True):
    """The start of a part, from get-sitemap-parts; without one, the first part."""

    start: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET


class SitemapShops(Struct, frozen=True):
    """The slugs of the open shops of one part."""

    items: Annotated[list[str], Meta(max_length=PART_SIZE)]


async def get_sitemap_shops(deps: Deps, _caller: Caller, request: SitemapShopsStart) -> Encoded[SitemapShops]:
    """List the open shops of one part of all shops."""
    [start] = [UUID(int=0)] if request.start is UNSET else decode_cursor(SITEMAP_SHOPS, request.start, UUID)

    async def read() -> bytes:
        return encode(SitemapShops(await shops_from(deps.database, start)))

    return await deps.cache.load_reply(("sitemap-shops", start), read, share=("sitemap-shops", request))
