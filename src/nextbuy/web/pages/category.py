"""`/category/{slug}`: the products of one category."""

from starlette.responses import Response

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.choices import choices_of
from nextbuy.web.pages.categories import Category, read_categories
from nextbuy.web.pages.listing import Filters, read_products
from nextbuy.web.visit import View, Visit


class CategoryView(View):
    """The content of a category page."""

    category: Category
    categories: list[Category]
    products: Page[PublicProduct]
    filters: Filters


async def category(visit: Visit) -> Response:
    """Show the products of a category; 404 if no product for sale is in it."""
    slug = visit.request.path_params["slug"]
    filters = choices_of(Filters, visit.request.query_params)
    categories = await read_categories(visit.api)
    found = next((one for one in categories if slug in {one.slug, one.name}), None)
    if found is None:
        raise NotFound
    if slug != found.slug:
        return visit.redirect(f"/category/{found.slug}", status=308)
    products = await read_products(visit.api, filters, category=found.name)
    return await visit.public_page("category", CategoryView(found, categories, products, filters))
