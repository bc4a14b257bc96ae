"""A service is paused or killed: its callers fail fast, all else works, and it recovers."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.journey_client import JourneyClient, Response
from tests.journeys.load import BuyerLoad
from tests.journeys.marketplace import Marketplace, MarketplaceFactory, Topology, marketplace_starter
from tests.journeys.snapshot import snapshot_at_rest
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
CALL_LIMIT = 3.0
"""Seconds that a call between services may take."""
GATEWAY_LIMIT = 10.25
SLACK = 2.0


def assert_retry_later(response: Response, timeout: float) -> None:
    """Check for a 503 or 504 in time, with Retry-After."""
    assert response.status in {503, 504}, response.body
    assert int(response.headers["Retry-After"]) >= 1
    assert response.seconds < timeout


async def use_everything_else(client: JourneyClient) -> None:
    """Use everything that does not depend on product."""
    admin = await client.login((await client.admin()).email)
    seller = await client.new_seller()
    assert (await client.get(f"/seller/api/get-shop/{seller.shop['id']}"))["shop"]["status"] == "approved"
    await client.get("/admin/api/notifications", admin)
    await client.get("/order/api/user-orders", await client.new_buyer())
    await client.get("/health/live")


@pytest.fixture(scope="module")
def market_of_processes(factory: MarketplaceFactory) -> Iterator[Marketplace]:
    """A marketplace of many processes, shared by this file."""
    with marketplace_starter(factory) as start_marketplace:
        yield start_marketplace(Topology.MANY, NEXTBUY_SESSION_MINUTES="0.3")


async def test_paused_or_killed_product_service_fails_fast_and_recovers(market_of_processes: Marketplace) -> None:
    market = market_of_processes
    async with JourneyClient.connect(market) as client:
        buyer, goods = await client.new_buyer(), await client.new_product(stock=1_000)

        async def can_be_bought() -> bool:
            response = await client.checkout(buyer, [(goods, 1)])
            await asyncio.sleep(0.05)
            return response.status == 201

        await until(can_be_bought)
        await client.post("/order/api/add-to-basket", {"product_id": goods["id"], "quantity": 2}, buyer, status=200)
        product = market.service("product")
        os.kill(product.pid, signal.SIGSTOP)
        try:
            going_on = asyncio.create_task(use_everything_else(client))
            showing = asyncio.create_task(client.request("GET", f"/product/api/get-product/{goods['id']}"))
            refused = await asyncio.gather(*(client.checkout(buyer, [(goods, 1)]) for _ in range(8)))
            for response in refused:
                assert_retry_later(response, CALL_LIMIT + SLACK)
            at_once = await client.checkout(buyer, [(goods, 1)])
            assert_retry_later(at_once, 1.0)
            assert at_once.slug == "breaker-open"
            [line] = (await client.get("/order/api/basket", buyer))["lines"]
            assert (line["title"], line["quantity"], line["unit_price"]) == (goods["title"], 2, None)
            await going_on
            assert_retry_later(await showing, GATEWAY_LIMIT + SLACK)
            await use_everything_else(client)
        finally:
            os.kill(product.pid, signal.SIGCONT)
        await until(can_be_bought, "the breaker closes again", timeout=30)

        market.service("product").kill()
        response = await client.checkout(buyer, [(goods, 1)])
        if response.status != 201:  # The service may be back before the deadline of the call.
            assert_retry_later(response, CALL_LIMIT + SLACK)
        await use_everything_else(client)
        await until(can_be_bought, "the supervisor has restarted it", timeout=30)
        shown = await client.request("GET", f"/product/api/get-product/{goods['id']}")
        assert shown.status == 200


async def test_checkout_survives_a_pause_of_a_service(market_of_processes: Marketplace) -> None:
    """A first attempt that hangs leaves time for a second one."""
    market = market_of_processes
    async with JourneyClient.connect(market) as client:
        buyer, goods = await client.new_buyer(), await client.new_product(stock=1_000)
        await client.open_session(buyer, [(goods, 1)])
        product = market.service("product")
        since = market.log_size()

        async def first_attempt_failed() -> bool:
            await asyncio.sleep(0.02)
            calls = [line for line in market.lines(since) if line.get("kind") == "call" and line["callee"] == "product"]
            return any(line["outcome"] == "deadline-passed" for line in calls)

        os.kill(product.pid, signal.SIGSTOP)
        try:
            checkout = asyncio.create_task(client.checkout(buyer, [(goods, 1)]))
            await until(first_attempt_failed)
        finally:
            os.kill(product.pid, signal.SIGCONT)

        assert (await checkout).status == 201
        calls = [line for line in market.lines(since) if line.get("kind") == "call"]
        assert [line["attempt"] for line in calls if line["name"] == "validate-products"] == [1, 2]


@pytest.mark.chaos
async def test_everything_reconciles_after_each_service_is_killed_under_load(market_of_processes: Marketplace) -> None:
    market = market_of_processes
    async with JourneyClient.connect(market) as client:
        products = [await client.new_product(stock=100_000), await client.new_product(stock=100_000)]
        buyers = [await client.new_buyer() for _ in range(4)]
        async with BuyerLoad(client, buyers, products) as load:
            for name in ("order", "product", "simulator", "kafka", "admin", "notification", "analytics", "gateway"):
                before = len(load.paid)

                async def go_on(before: int = before) -> bool:
                    await asyncio.sleep(0.05)
                    return len(load.paid) > before + 5

                await until(go_on, f"purchases continue before {name} is killed", timeout=60)
                market.service(name).kill()
            market.wait_until_ready()
        snapshot = await snapshot_at_rest(market)
        snapshot.assert_reconciled(market.stock)
        by_id = {str(session["id"]): session["status"] for session in snapshot.sessions}
        assert {by_id[session["session_id"]] for session in load.paid} <= {"paid", "refunded"}
