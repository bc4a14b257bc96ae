"""GET /order/api/user-orders: the caller's orders, newest first."""

from nextbuy.contracts.values import Page, PageRequest
from nextbuy.kit.http.caller import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.store.orders import OrderListed, orders_of_buyer


async def user_orders(deps: Deps, caller: Caller, request: PageRequest) -> Page[OrderListed]:
    """Return a page of the caller's orders, newest first."""
    await deps.auth.validate_user(caller)
    return await orders_of_buyer(deps.database, caller.account_id, limit=request.limit, cursor=request.start)
