"""Lists of products: the filters and the request that home, category, search and shop pages share."""

from collections.abc import Mapping
from typing import Final, Literal
from uuid import UUID

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.api import Api
from nextbuy.web.choices import Choices, choices_of
from nextbuy.web.prices import price_of

LIMIT: Final = 24
"""Products per page: whole rows of 2, 3, 4 and 6."""

Sort = Literal["", "latest", "price-low", "price-high", "relevance"]


class Filters(Choices, frozen=True, omit_defaults=True):
    """The choices of a visitor in a list of products."""

    q: str = ""
    sort: Sort = ""
    price_min: str = ""
    price_max: str = ""
    in_stock: str = ""


def filters_of(query: Mapping[str, str]) -> Filters:
    """Return the filters in a URL; an invalid price is ignored too."""
    prices = ("price_min", "price_max")
    return choices_of(
        Filters, {name: value for name, value in query.items() if name not in prices or _cents(value) is not None}
    )


async def read_products(
    api: Api, filters: Filters, *, category: str = "", shop_id: UUID | None = None
) -> Page[PublicProduct]:
    """Read one page of a list.

    Raises:
        AppError: the error of the API; 422 for a cursor of another list.
    """
    words = {"q": filters.q} if filters.q else {}
    return await api.get(
        "/product/api/search-products" if words else "/product/api/get-all-products",
        Page[PublicProduct],
        **words,
        category=category,
        shop_id=None if shop_id is None else str(shop_id),
        sort=filters.sort,
        price_min=_cents(filters.price_min),
        price_max=_cents(filters.price_max),
        in_stock="true" if filters.in_stock else "",
        limit=LIMIT,
        cursor=filters.cursor,
    )


def _cents(text: str) -> int | None:
    """Return a typed price in minor units; None if it is empty or not a price."""
    price = price_of(text)
    return None if price is None else price.amount
