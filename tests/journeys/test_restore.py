"""`nextbuy events restore order` restores the rows of a running marketplace."""

import re

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import Marketplace, StartMarketplace, Topology
from tests.journeys.test_events import events

pytestmark = pytest.mark.timeout(300)


async def lose_orders(market: Marketplace) -> None:
    async with market.database("order") as order:
        await order.execute("DELETE FROM order_lines; DELETE FROM orders; DELETE FROM sessions")


async def test_lost_orders_are_shown_again_after_a_restore(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(Topology.ONE)
    async with JourneyClient.connect(market) as client:
        buyer = await client.new_buyer()
        [order_id] = await client.buy(buyer, [(await client.new_product(), 2)])
        unpaid = await client.open_session(buyer, [(await client.new_product(), 1)])
        before = await client.get(f"/order/api/order-details/{order_id}", buyer)
        await lose_orders(market)
        assert (await client.request("GET", f"/order/api/order-details/{order_id}", who=buyer)).status == 404

        done = await events(market, "restore", "order")
        again = await events(market, "restore", "order")

        assert (done.code, done.err) == (0, "")
        assert re.search(r"Restored: \d+ sessions, \d+ orders with \d+ lines, 0 unmatched payments\.", done.out)
        assert (again.code, again.err) == (0, "")
        assert "Restored: 0 sessions, 0 orders with 0 lines, 0 unmatched payments." in again.out
        assert await client.get(f"/order/api/order-details/{order_id}", buyer) == before
        await client.pay(unpaid)
        await client.wait_for_status("paid", buyer, unpaid)


async def test_differing_row_is_printed_and_makes_the_command_fail(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(Topology.ONE)
    async with JourneyClient.connect(market) as client:
        buyer = await client.new_buyer()
        [order_id] = await client.buy(buyer, [(await client.new_product(), 2)])
        async with market.database("order") as order:
            await order.execute("UPDATE orders SET number = 'NB-1' WHERE id = $1::text::uuid", order_id)

        done = await events(market, "restore", "order")

        assert done.code == 1
        assert f'order {order_id}: number: stored "NB-1", logged "NB-' in done.out
        assert "1 field differs from the log." in done.out
