"""`/shop/{slug}`: a shop, and its products."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.choices import choices_of
from nextbuy.web.pages.listing import Filters, read_products
from nextbuy.web.structured_data import JsonLd, organization
from nextbuy.web.visit import View, Visit


class Shop(Struct):
    """A shop, as the page shows it."""

    id: UUID
    slug: str
    name: str
    bio: str
    contact: str = ""
    created_at: datetime | None = None


class ShopFound(Struct):
    """The shop of a reply."""

    shop: Shop


class ShopView(View):
    """The content of the page of a shop."""

    shop: Shop
    products: Page[PublicProduct]
    filters: Filters
    structured_data: list[JsonLd]


async def shop(visit: Visit) -> Response:
    """Show a shop; an id leads to its slug."""
    key = visit.request.path_params["key"]
    filters = choices_of(Filters, visit.request.query_params)
    found = (await visit.api.get(f"/seller/api/get-shop/{key}", ShopFound)).shop
    if key != found.slug:
        return visit.redirect(f"/shop/{found.slug}", status=308)
    products = await read_products(visit.api, filters, shop_id=found.id)
    data = [organization(visit.site.settings.public_url, found.name, f"/shop/{found.slug}")]
    return await visit.public_page("shop", ShopView(found, products, filters, data))
