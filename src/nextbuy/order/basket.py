"""GET /order/api/basket: the basket of the buyer or the guest, with its products as they are now."""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response
from nextbuy.order.basket_access import offers_of, open_basket, shown_checkout, with_cookie
from nextbuy.order.basket_rules import BasketShown, show_basket
from nextbuy.order.deps import Deps


async def basket(deps: Deps, caller: Caller) -> BasketShown | Response:
    """Show the caller's basket, which is empty until the first product is put in.

    While the product service is unavailable, the lines have only ids and quantities.

    Raises:
        Unauthenticated: the access token is invalid, or the login of a buyer has ended.
        Forbidden: a buyer is suspended.
    """
    opened = await open_basket(deps, caller)
    lines = opened.basket.lines
    offers = await offers_of(deps, [line.product_id for line in lines], opened.checkout)
    checkout = shown_checkout(deps, caller, opened)
    reply = show_basket(opened.basket.version, lines, offers, opened.waiting, checkout)
    return reply if opened.cookie is None else with_cookie(deps.settings, reply, opened.cookie)
