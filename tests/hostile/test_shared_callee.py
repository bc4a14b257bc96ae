"""Failing calls of one service to another concern no other caller."""

import pytest

from nextbuy.contracts.comparison import ComparisonClient, list_logged_events_of
from nextbuy.contracts.errors import BreakerOpen, InternalError
from tests.hostile.hostile_fixture import HostileMarket

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_failing_background_calls_of_one_service_do_not_close_checkout(
    market: HostileMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(_deps: object, _call: object) -> None:
        raise ZeroDivisionError

    product = market.process._apps["product"]
    handler = product._calls[list_logged_events_of("product").path]
    monkeypatch.setitem(product._calls, handler.call.path, type(handler)(handler.call, crash))
    comparison: ComparisonClient = market.process._apps["kafka"].deps.comparison

    for _ in range(5):
        with pytest.raises(InternalError):
            await comparison.list_logged_events("product", [], limit=1, highest=0)
    with pytest.raises(BreakerOpen):
        await comparison.list_logged_events("product", [], limit=1, highest=0)

    line = {"product_id": market.ids_for_sale["product_id"], "quantity": 1}
    await market.call("POST", "/order/api/create-payment-session", {"lines": [line]}, who="buyer")
