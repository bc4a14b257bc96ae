"""`/search?q=`: the products that match words, in one category or all."""

import asyncio

from starlette.responses import Response

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.api import secondary
from nextbuy.web.choices import choices_of
from nextbuy.web.pages.categories import Category, read_categories
from nextbuy.web.pages.listing import Filters, read_products
from nextbuy.web.visit import View, Visit


class SearchView(View):
    """The content of the search page."""

    categories: list[Category] | None
    products: Page[PublicProduct]
    filters: Filters


async def search(visit: Visit) -> Response:
    """Show search results; without words, the home page."""
    filters = choices_of(Filters, visit.request.query_params)
    if not filters.q:
        return visit.redirect("/")
    categories, products = await asyncio.gather(
        secondary(read_categories(visit.api)), read_products(visit.api, filters)
    )
    return await visit.public_page("search", SearchView(categories, products, filters))
