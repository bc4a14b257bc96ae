"""An order for tests of handlers, and the number of events in large tests."""

import os

from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, new_id

SHOP = new_id()
EVENTS_IN_LARGE_TESTS = int(os.environ.get("NEXTBUY_TEST_EVENTS") or 2_000)


def order(units: int = 2, amount: int = 1_999) -> OrderCreated:
    """Return an order of `units` of one product at `amount` each."""
    line = PricedLine(new_id(), SHOP, "Mug", units, Money(amount))
    return OrderCreated(
        order_id=new_id(),
        number="NB-1",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=SHOP,
        total=Money(units * amount),
        lines=[line],
        seller_id=new_id(),
    )
