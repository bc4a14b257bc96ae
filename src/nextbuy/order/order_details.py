"""GET /order/api/order-details/{order_id}: one order, for its buyer, the seller of its shop, and admins."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kit.http.caller import Caller
from nextbuy.order.access import require_order_access
from nextbuy.order.deps import Deps
from nextbuy.order.store import orders
from nextbuy.order.store.orders import Order


class OrderRequest(Struct, frozen=True):
    """A request for one order."""

    order_id: UUID


class OrderDetails(Struct, frozen=True):
    """An order with its lines."""

    order: Order


async def order_details(deps: Deps, caller: Caller, request: OrderRequest) -> OrderDetails:
    """Return an order that the caller may see.

    Raises:
        NotFound: the order does not exist, or the caller may not see it (`order-not-found`).
    """
    await deps.auth.validate_user(caller)
    return OrderDetails(require_order_access(caller, await orders.order(deps.database, request.order_id)).order)
