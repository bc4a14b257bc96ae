"""The number of connections to PostgreSQL is bounded by a setting, not by the number of requests."""

import asyncio

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import StartMarketplace

_OPEN = """
SELECT application_name AS service, count(*) AS connections
  FROM pg_stat_activity WHERE application_name LIKE 'nextbuy-%' GROUP BY application_name
"""


@pytest.mark.timeout(300)
async def test_concurrent_checkouts_share_the_connections_of_the_setting(start_marketplace: StartMarketplace) -> None:
    market = start_marketplace(NEXTBUY_POSTGRES_CONNECTIONS="2")
    async with JourneyClient.connect(market) as client:
        buyers = [await client.new_buyer() for _ in range(16)]
        product = await client.new_product(stock=100)

        sessions = await asyncio.gather(*(client.checkout(buyer, [(product, 1)]) for buyer in buyers))

        opened = {row["service"]: row["connections"] for row in await market.rows("order", _OPEN)}
    assert [session.status for session in sessions] == [201] * 16
    assert opened["nextbuy-order"] == 2
    assert opened.pop("nextbuy-product") == 2 + 1, "its feed of changes has a connection of its own"
    assert max(opened.values()) == 2
