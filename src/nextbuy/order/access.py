"""Access to orders: the buyer, the seller of the shop, and admins may see one."""

from typing import TypeVar

from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller
from nextbuy.order.model import OrderNotFound
from nextbuy.order.store.orders import OrderAccess, StoredOrder

Found = TypeVar("Found", StoredOrder, OrderAccess)


def require_order_access(caller: Caller, found: Found | None) -> Found:
    """Return `found` if the caller may see the order.

    Raises:
        NotFound: the order does not exist, or the caller may not see it (`order-not-found`).
    """
    if found is None or not (caller.role is Role.ADMIN or caller.account_id in {found.buyer_id, found.seller_id}):
        raise OrderNotFound
    return found
