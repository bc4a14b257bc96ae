"""Whose an order is to see: its buyer's, the seller's of its shop, and the admins'."""

from typing import TypeVar

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller
from nextbuy.order.store.orders import OrderKept, OrderOwned

Found = TypeVar("Found", OrderKept, OrderOwned)


def require_order_access(caller: Caller, found: Found | None) -> Found:
    """Return what was found of an order, where it is the caller's to see.

    Raises:
        NotFound: it is not there, or not the caller's to see (`no-such-order`).
    """
    if found is None or not (caller.role is Role.ADMIN or caller.account_id in {found.buyer_id, found.seller_id}):
        raise NotFound("There is no such order that you may see.", slug="no-such-order")
    return found
