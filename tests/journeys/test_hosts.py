"""A purchase on another host than 127.0.0.1."""

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import TOPOLOGIES, StartMarketplace, Topology

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_purchase_on_ipv6_becomes_an_order(start_marketplace: StartMarketplace, topology: Topology) -> None:
    market = start_marketplace(topology, start=False, NEXTBUY_HOST="::1")
    market.url = f"http://[::1]:{market.port}"
    market.start()
    async with JourneyClient.connect(market) as client:
        seller, buyer = await client.new_seller(), await client.new_buyer()

        session = await client.open_session(buyer, [(await client.new_product(seller), 1)])
        await client.pay(session)
        paid = await client.wait_for_status("paid", buyer, session)

        assert session["payment_url"].startswith(f"{market.url}/simulator/api/pay/pay_")
        assert len(paid["order_ids"]) == 1
    assert f"{market.url}/docs" in market.output()
    assert market.stop() == 0
