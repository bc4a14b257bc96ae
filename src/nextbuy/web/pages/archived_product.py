"""The page of a product that its seller has archived: it is gone, and leads to its shop and its category."""

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import Gone
from nextbuy.web.visit import View, Visit


class ArchivedProduct(Struct):
    """The public rest of the product."""

    title: str
    category: str
    shop_name: str
    shop_slug: str


class ArchivedProductView(View):
    """The content of the page."""

    product: ArchivedProduct


class _Found(Struct):
    product: ArchivedProduct


async def archived_product(visit: Visit, key: str) -> Response:
    """Say that the shop no longer sells a product.

    Raises:
        NotFound: it has been restored or refused since.
    """
    found = await visit.api.get(f"/product/api/get-archived-product/{key}", _Found)
    return await visit.page("archived_product", ArchivedProductView(found.product), status=Gone.status)
