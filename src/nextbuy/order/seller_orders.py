"""GET /order/api/seller-orders: the orders of the caller's shop, newest first.

The seller is stored with each order, as it was when the basket was priced, so no other service is called for it.
"""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.store.orders import OrderListed, orders_of_seller


async def seller_orders(deps: Deps, caller: Caller, request: PageRequest) -> Page[OrderListed]:
    """Return a page of the orders of the caller's shop, newest first."""
    await deps.auth.validate_user(caller)
    return await orders_of_seller(deps.database, caller.account_id, limit=request.limit, cursor=request.start)
