"""GET /order/api/seller-orders: what was bought in the caller's shop, newest first.

Whose shop it was is kept with the order, as seller said when the basket was priced: so this asks nobody.
"""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.store.orders import OrderListed, orders_of_seller


async def seller_orders(deps: Deps, caller: Caller, request: PageRequest) -> Page[OrderListed]:
    """Return a page of the orders of the caller's shop."""
    await deps.auth.validate_user(caller.token)
    cursor = None if request.cursor is UNSET else request.cursor
    return await orders_of_seller(deps.database, caller.account_id, limit=request.limit, cursor=cursor)
