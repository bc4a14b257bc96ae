"""`/sell/products`: all products of a seller, with search and filters."""

from typing import Final, Literal

from starlette.responses import Response

from nextbuy.contracts.values import Page
from nextbuy.web.choices import Choices, choices_of
from nextbuy.web.pages.own_shop import OwnProduct
from nextbuy.web.pages.sell import LOW_STOCK
from nextbuy.web.visit import View, Visit

_LIMIT: Final = 20
_STOCK: Final = {"low": LOW_STOCK, "none": 0}
"""The highest number of units by choice."""


class OwnFilters(Choices, frozen=True, omit_defaults=True):
    """The choices of a seller in the list of products."""

    q: str = ""
    status: Literal["", "active", "pending", "rejected", "off-sale", "archived"] = ""
    stock: Literal["", "low", "none"] = ""


class SellProductsView(View):
    """The content of the list of products."""

    products: Page[OwnProduct]
    filters: OwnFilters
    done: str


async def sell_products(visit: Visit) -> Response:
    """Show the products that match the filters."""
    await visit.require_account()
    filters = choices_of(OwnFilters, visit.request.query_params)
    listed = await visit.api.get(
        "/product/api/get-shop-products",
        Page[OwnProduct],
        q=filters.q,
        status=filters.status,
        stock_max=_STOCK.get(filters.stock),
        limit=_LIMIT,
        cursor=filters.cursor,
    )
    return await visit.page(
        "sell_products", SellProductsView(listed, filters, visit.request.query_params.get("done", ""))
    )
