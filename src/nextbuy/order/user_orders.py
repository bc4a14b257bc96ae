"""GET /order/api/user-orders: what the caller has bought, newest first."""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.store.orders import OrderListed, orders_of_buyer


async def user_orders(order: Deps, caller: Caller, ask: PageAsk) -> Page[OrderListed]:
    """Return a page of the caller's orders."""
    await order.auth.validate_user(caller.token)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await orders_of_buyer(order.database, caller.account_id, limit=ask.limit, cursor=cursor)
