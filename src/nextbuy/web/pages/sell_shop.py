"""`/sell/shop`: the name, the description and the contact of a seller's shop."""

from typing import Final

from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.seller import Shop
from nextbuy.web.api import Ignored
from nextbuy.web.forms import Failure, failure_of
from nextbuy.web.pages.own_shop import own_shop
from nextbuy.web.visit import View, Visit

_FIELDS: Final = ("name", "category", "bio", "contact")


class SellShopView(View):
    """The content of the page: the shop as it is, and what was typed if it could not be saved."""

    shop: Shop
    failure: Failure
    saved: bool


async def sell_shop(visit: Visit) -> Response:
    """Show the shop in the form."""
    await visit.require_account()
    return await _page(visit, Failure(), saved=visit.request.query_params.get("done") == "saved")


async def change_shop(visit: Visit) -> Response:
    """Save the shop."""
    await visit.require_account()
    form = await visit.form()
    typed = {name: form.get(name, "").replace("\r\n", "\n").strip() for name in _FIELDS}
    try:
        await visit.api.send("PUT", "/seller/api/update-shop", typed, Ignored)
    except AppError as error:
        return await _page(visit, failure_of(error, "shop", typed), status=error.status)
    return visit.redirect("/sell/shop?done=saved")


async def _page(visit: Visit, failure: Failure, *, saved: bool = False, status: int = 200) -> Response:
    shop = await own_shop(visit.api)
    if shop is None:
        return visit.redirect("/sell")
    return await visit.page("sell_shop", SellShopView(shop, failure, saved), status=status)
