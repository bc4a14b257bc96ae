"""`/`: best sellers, and the newest products of all shops."""

import asyncio
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.api import Api, secondary
from nextbuy.web.choices import choices_of
from nextbuy.web.pages.categories import Category, read_categories
from nextbuy.web.pages.listing import Filters, read_products
from nextbuy.web.structured_data import JsonLd, organization
from nextbuy.web.visit import View, Visit

_BEST = 6


class HomeView(View):
    """The content of the home page; None stands for a part that is unavailable."""

    products: Page[PublicProduct]
    filters: Filters
    categories: list[Category] | None
    best_sellers: list[PublicProduct] | None
    structured_data: list[JsonLd]


class _BestSeller(Struct):
    product_id: UUID


async def home(visit: Visit) -> Response:
    """Show the home page."""
    filters = choices_of(Filters, visit.request.query_params)
    first = not filters.cursor
    products, categories, best_sellers = await asyncio.gather(
        read_products(visit.api, filters),
        secondary(read_categories(visit.api)),
        secondary(_best_sellers(visit.api)) if first else _none(),
    )
    settings = visit.site.settings
    data = [organization(settings.public_url, settings.marketplace.name, "/", email=settings.marketplace.contact)]
    return await visit.public_page("home", HomeView(products, filters, categories, best_sellers, data))


async def _best_sellers(api: Api) -> list[PublicProduct]:
    best = await api.get("/analytics/api/best-sellers", Page[_BestSeller], limit=2 * _BEST)
    if not best.items:
        return []
    ids = ",".join(str(item.product_id) for item in best.items)
    products = await api.get("/product/api/get-products", Page[PublicProduct], ids=ids)
    return [product for product in products.items if product.stock][:_BEST]


async def _none() -> list[PublicProduct]:
    return []
