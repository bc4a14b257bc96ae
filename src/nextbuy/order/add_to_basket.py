"""POST /order/api/add-to-basket: put more units of one product into the basket, without reading it first."""

from nextbuy.contracts.product import Line
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response
from nextbuy.order.basket_access import change_basket, open_basket
from nextbuy.order.basket_rules import BasketShown, Offers, StoredLine, add_units, remember_offer
from nextbuy.order.deps import Deps
from nextbuy.order.model import BasketLine
from nextbuy.order.store.baskets import Basket


async def add_to_basket(deps: Deps, caller: Caller, request: BasketLine) -> BasketShown | Response:
    """Add units of a product to the caller's basket.

    Without an Idempotency-Key, the same request adds them again.

    Raises:
        Unauthenticated: the access token is invalid, or the login of a buyer has ended.
        Forbidden: a buyer is suspended, or the request comes from a page of another site (`cross-site`).
        NotFound: the product is not for sale (`product-not-found`).
        Conflict: no room for another product (`basket-full`), or for that number of units (`quantity-limit`).
    """
    added = Line(request.product_id, request.quantity)
    opened = await open_basket(deps, caller, changes=True)
    # Without asking about any product, this refuses what would be too many for the question.
    after = add_units(opened.basket.lines, added, {})

    def change(basket: Basket, offers: Offers) -> tuple[list[StoredLine], list[StoredLine]]:
        lines = add_units(basket.lines, added, offers)
        stored = [remember_offer(line, offers) if line.product_id == added.product_id else line for line in lines]
        return stored, lines

    return await change_basket(deps, caller, opened, [line.product_id for line in after], change)
