"""GET /order/api/order-details/{order_id}: one order, for its buyer, the seller of its shop, and admins."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.order.access import require_order_access
from nextbuy.order.deps import Deps
from nextbuy.order.store import orders
from nextbuy.order.store.orders import Order


class OrderAsked(Struct, frozen=True):
    """Which order."""

    order_id: UUID


class OrderDetails(Struct, frozen=True):
    """The order."""

    order: Order


async def order_details(deps: Deps, caller: Caller, request: OrderAsked) -> OrderDetails:
    """Return an order that is the caller's to see.

    Raises:
        NotFound: it is not there, or not the caller's to see.
    """
    await deps.auth.validate_user(caller.token)
    return OrderDetails(require_order_access(caller, await orders.order(deps.database, request.order_id)).order)
