"""`/sitemap.xml`: an index of sitemaps, which together name every public page (sitemaps.org).

A part has at most 10,000 URLs, of the 50,000 that the protocol allows, so that it is read and sent in one piece.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from msgspec import Struct
from starlette.responses import Response

from nextbuy.web.pages.categories import read_categories
from nextbuy.web.pages.document import DOCUMENTS
from nextbuy.web.visit import SECURITY, Visit

_NAMESPACE: Final = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


class _Parts(Struct):
    products: list[str]
    shops: list[str]


class _Product(Struct):
    slug: str
    changed_at: datetime


class _Products(Struct):
    items: list[_Product]


class _Shops(Struct):
    items: list[str]


async def sitemap(visit: Visit) -> Response:
    """List all sitemaps."""
    parts = await visit.api.get("/product/api/get-sitemap-parts", _Parts)
    starts = [("products", start) for start in parts.products] + [("shops", start) for start in parts.shops]
    paths = ["/sitemap/pages.xml", *(f"/sitemap/{kind}.xml?{urlencode({'start': start})}" for kind, start in starts)]
    places = "".join(f"<sitemap>{_location(visit, path)}</sitemap>" for path in paths)
    return _xml(f"<sitemapindex {_NAMESPACE}>{places}</sitemapindex>")


async def sitemap_pages(visit: Visit) -> Response:
    """List the pages that are neither of a product nor of a shop."""
    categories = await read_categories(visit.api)
    paths = ["/", *(f"/category/{quote(one.slug, safe='')}" for one in categories), *(f"/{name}" for name in DOCUMENTS)]
    return _urls(_location(visit, path) for path in paths)


async def sitemap_products(visit: Visit) -> Response:
    """List the products of one part, with the time of their last change."""
    found = await visit.api.get("/product/api/get-sitemap-products", _Products, start=_start(visit))
    return await asyncio.to_thread(
        _urls,
        (
            f"{_location(visit, f'/product/{one.slug}')}<lastmod>{one.changed_at:%Y-%m-%dT%H:%M:%SZ}</lastmod>"
            for one in found.items
        ),
    )


async def sitemap_shops(visit: Visit) -> Response:
    """List the shops of one part."""
    found = await visit.api.get("/product/api/get-sitemap-shops", _Shops, start=_start(visit))
    return await asyncio.to_thread(_urls, (_location(visit, f"/shop/{slug}") for slug in found.items))


def _start(visit: Visit) -> str:
    return visit.request.query_params.get("start", "")


def _location(visit: Visit, path: str) -> str:
    return f"<loc>{escape(visit.site.settings.public_url + path)}</loc>"


def _urls(places: Iterable[str]) -> Response:
    urls = "".join(f"<url>{place}</url>" for place in places)
    return _xml(f"<urlset {_NAMESPACE}>{urls}</urlset>")


def _xml(content: str) -> Response:
    return Response(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{content}', headers=SECURITY, media_type="application/xml"
    )
