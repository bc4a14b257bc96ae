"""PUT /order/api/basket: replace all lines of the basket, if it is still the version that If-Match names."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.product import Line
from nextbuy.contracts.values import MAX_LINES
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response
from nextbuy.order.basket_access import change_basket, open_basket
from nextbuy.order.basket_rules import (
    BasketShown,
    Offers,
    StoredLine,
    remember_offer,
    replace_lines,
    require_version,
)
from nextbuy.order.deps import Deps
from nextbuy.order.model import BasketLine, merge_basket
from nextbuy.order.store.baskets import Basket


class ReplaceBasket(Struct, frozen=True):
    """All lines of the basket; none empties it. Lines of the same product are added up."""

    lines: Annotated[list[BasketLine], Meta(max_length=MAX_LINES)]


async def replace_basket(deps: Deps, caller: Caller, request: ReplaceBasket) -> BasketShown | Response:
    """Replace the lines of the caller's basket.

    The response names what has changed since the lines were put in, for the last time: the caller has seen it.

    Raises:
        BadRequest: If-Match is invalid.
        Unauthenticated: the access token is invalid, or the login of a buyer has ended.
        Forbidden: a buyer is suspended, or the request comes from a page of another site (`cross-site`).
        NotFound: a product that was not in the basket is not for sale (`product-not-found`).
        PreconditionFailed: the basket has changed since (`stale`).
        Unprocessable: too many units of one product (`too-many-units`).
    """
    seen = caller.if_match()
    wanted = merge_basket([Line(line.product_id, line.quantity) for line in request.lines])
    opened = await open_basket(deps, caller, changes=True)

    def change(basket: Basket, offers: Offers) -> tuple[list[StoredLine], list[StoredLine]]:
        require_version(seen, basket.version)
        lines = replace_lines(basket.lines, wanted, offers)
        return [remember_offer(line, offers) for line in lines], lines

    return await change_basket(deps, caller, opened, [line.product_id for line in wanted], change)
