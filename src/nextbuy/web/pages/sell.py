"""`/sell`: the overview of a seller's shop, or the form that opens one."""

import asyncio
from typing import Final

from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Page, Role
from nextbuy.web.api import Ignored, secondary
from nextbuy.web.forms import Failure, failure_of, form_key
from nextbuy.web.pages.orders import ListedOrder
from nextbuy.web.pages.own_shop import OwnProduct, own_shop
from nextbuy.web.visit import View, Visit

LOW_STOCK: Final = 5
"""The highest number of units that counts as low."""
_SHOWN: Final = 5
"""Orders and products of each kind on the overview."""
_FIELDS: Final = ("name", "category", "bio")


class OpenShopView(View):
    """The content of the page of an account without a shop; only a seller can open one."""

    seller: bool
    failure: Failure


class SellView(View):
    """The content of the overview; each list may be unavailable."""

    shop: Shop
    orders: Page[ListedOrder] | None
    rejected: Page[OwnProduct] | None
    low: Page[OwnProduct] | None
    opened: bool
    failure: Failure


async def sell(visit: Visit) -> Response:
    """Show the overview of the shop, or the form that opens one."""
    return await _page(visit, Failure())


async def open_shop(visit: Visit) -> Response:
    """Open a shop, or apply again after a rejection."""
    await visit.require_account()
    form = await visit.form()
    typed = {name: form.get(name, "").strip() for name in _FIELDS}
    try:
        await visit.api.send("POST", "/seller/api/create-shop", typed, Ignored, key=form_key(form))
    except AppError as error:
        return await _page(visit, failure_of(error, "open", typed), status=error.status)
    return visit.redirect("/sell?done=opened")


async def _page(visit: Visit, failure: Failure, *, status: int = 200) -> Response:
    account = await visit.require_account()
    if account.role is not Role.SELLER:
        return await visit.page("open_shop", OpenShopView(seller=False, failure=failure), status=status)
    api = visit.api
    shop, orders, rejected, low = await asyncio.gather(
        own_shop(api),
        secondary(api.get("/order/api/seller-orders", Page[ListedOrder], limit=_SHOWN)),
        secondary(api.get("/product/api/get-shop-products", Page[OwnProduct], status="rejected", limit=_SHOWN)),
        secondary(
            api.get(
                "/product/api/get-shop-products", Page[OwnProduct], status="active", stock_max=LOW_STOCK, limit=_SHOWN
            )
        ),
    )
    if shop is None:
        return await visit.page("open_shop", OpenShopView(seller=True, failure=failure), status=status)
    opened = visit.request.query_params.get("done") == "opened"
    return await visit.page("sell", SellView(shop, orders, rejected, low, opened, failure), status=status)
