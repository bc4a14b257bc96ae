"""GET /order/api/seller-orders: what was bought in the caller's shop, newest first.

Whose shop it was is kept with the order, as seller said when the basket was priced: so this asks nobody.
"""

from msgspec import UNSET

from nextbuy.contracts.values import Page, PageAsk
from nextbuy.kit.web import Caller
from nextbuy.order.deps import Deps
from nextbuy.order.store.orders import OrderListed, orders_of_seller


async def seller_orders(order: Deps, caller: Caller, ask: PageAsk) -> Page[OrderListed]:
    """Return a page of the orders of the caller's shop."""
    await order.auth.validate_user(caller.token)
    cursor = None if ask.cursor is UNSET else ask.cursor
    return await orders_of_seller(order.database, caller.account_id, limit=ask.limit, cursor=cursor)
