"""`/product/{slug}`: a product, and the form that adds it to the basket."""

import asyncio

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import Gone
from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import MAX_QUANTITY
from nextbuy.web.api import secondary
from nextbuy.web.pages.archived_product import archived_product
from nextbuy.web.pages.shop import Shop, ShopFound
from nextbuy.web.structured_data import JsonLd, breadcrumbs, product_data
from nextbuy.web.visit import View, Visit


class ShownProduct(PublicProduct, frozen=True, kw_only=True):
    """A product; its seller and admins also see it if it is not offered."""

    on_sale: bool = True
    archived: bool = False

    @property
    def for_sale(self) -> bool:
        """Whether anybody sees it, if its shop is open."""
        return self.status == "active" and self.on_sale


class ProductFound(Struct):
    """The product of a reply."""

    product: ShownProduct


class Activity(Struct):
    """How often a product was sold."""

    sold: int = 0


class ProductView(View):
    """The content of the page of a product; `shop` and `sold` may be unavailable."""

    product: ShownProduct
    shop: Shop | None
    sold: int
    limit: int
    """The highest quantity that the form takes."""
    structured_data: list[JsonLd]


async def product(visit: Visit) -> Response:
    """Show a product; an id leads to its slug, and one that its seller has archived is gone."""
    key = visit.request.path_params["key"]
    try:
        found = (await visit.api.get(f"/product/api/get-product/{key}", ProductFound)).product
    except Gone:
        return await archived_product(visit, key)
    if key != found.slug:
        return visit.redirect(f"/product/{found.slug}", status=308)
    shop, activity = await asyncio.gather(
        secondary(visit.api.get(f"/seller/api/get-shop/{found.shop_id}", ShopFound)),
        secondary(visit.api.get(f"/product/api/get-activity/{found.id}", Activity)),
    )
    base_url = visit.site.settings.public_url
    view = ProductView(
        found,
        shop.shop if shop is not None else None,
        activity.sold if activity is not None else 0,
        min(found.stock, MAX_QUANTITY),
        [
            product_data(found, base_url),
            breadcrumbs(
                base_url, [("/", visit.site.settings.marketplace.name), (f"/product/{found.slug}", found.title)]
            ),
        ],
    )
    return await visit.public_page("product", view)
