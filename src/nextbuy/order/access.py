"""Access to orders: an order is visible to its buyer, to the seller of its shop, and to admins."""

from typing import TypeVar

from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller
from nextbuy.order.model import OrderNotFound
from nextbuy.order.store.orders import OrderAccess, StoredOrder

AnyOrder = TypeVar("AnyOrder", StoredOrder, OrderAccess)


def require_order_access(caller: Caller, order: AnyOrder | None) -> AnyOrder:
    """Return `order` if the caller may see it.

    Raises:
        NotFound: the order does not exist, or the caller may not see it (`order-not-found`).
    """
    if order is None or not (caller.role is Role.ADMIN or caller.account_id in {order.buyer_id, order.seller_id}):
        raise OrderNotFound
    return order
