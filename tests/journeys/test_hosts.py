"""A purchase on other hosts than 127.0.0.1: an IPv6 address, and the other names of this machine."""

import re

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import TOPOLOGIES, StartMarketplace, Topology

pytestmark = pytest.mark.timeout(300)


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


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "[::1]"])
async def test_buyer_stays_on_the_name_of_this_machine(client: JourneyClient, name: str) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    headers = {"Host": f"{name}:{client.market.port}"}
    own = f"http://{name.lower()}:{client.market.port}"

    session = await client.open_session(buyer, [(await client.new_product(seller), 1)], headers)
    page = await client.request("GET", session["payment_url"].removeprefix(own), headers=headers)
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    paid = await client.request(
        "POST", session["payment_url"].removeprefix(own), raw=b"card_number=4242424242424242", headers=form
    )
    await client.wait_for_status("paid", buyer, session)
    missing = await client.request("GET", f"/simulator/api/pay/pay_{'0' * 32}", headers=headers)

    assert session["payment_url"].startswith(f"{own}/simulator/api/pay/pay_")
    links = re.findall(r'href="([^"]*)"', page.body.decode()) + re.findall(r'href="([^"]*)"', missing.body.decode())
    assert f"{own}/session/{session['session_id']}" in links
    assert all(link.startswith(f"{own}/") for link in links)
    assert (paid.status, paid.headers["location"]) == (303, session["payment_url"])


@pytest.mark.parametrize(
    "host", ["evil.test:{port}", "localhost:1", "localhost", "localhost.evil.test:{port}", "127.0.0.2:{port}"]
)
async def test_other_host_is_never_followed(client: JourneyClient, host: str) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    headers = {
        "Host": host.format(port=client.market.port),
        "X-Forwarded-Host": "evil.test",
        "X-Nextbuy-Origin": "http://evil.test",
    }

    session = await client.open_session(buyer, [(await client.new_product(seller), 1)], headers)

    assert session["payment_url"].startswith(f"http://127.0.0.1:{client.market.port}/")
