"""A process that is paused for longer than its lease does nothing twice when it resumes."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random

import pytest

from tests.chaos.checks import all_violations
from tests.chaos.clients import Clients
from tests.chaos.cluster import Cluster, paused, running_cluster
from tests.chaos.observations import at_rest, observe
from tests.journeys.journey_client import JourneyClient, Json
from tests.journeys.marketplace import Marketplace, nextbuy
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]
AWAY = 10.0
"""Seconds. Longer than any lease and any timeout of relay and consumer."""
WITHIN = 60.0


@pytest.fixture(params=["redis", "kafka"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A marketplace on each bus."""
    carrier: str = request.param
    with running_cluster(carrier) as cluster:
        yield cluster


@contextmanager
def another_kafka_service(market: Marketplace) -> Iterator[int]:
    """Start a second kafka service; yields its pid."""
    environment = market.service("kafka").environ() | {"NEXTBUY_PORT": str(free_port())}
    process = subprocess.Popen(nextbuy("serve", "kafka", "--log", "file"), env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def buyer_load_without_failures(client: JourneyClient, clients: Clients) -> AsyncIterator[None]:
    """Run four buyers until the context ends; none may have to retry."""
    seller = await client.new_seller()
    products = [await client.new_product(seller, stock=1_000_000), await client.new_product(stock=1_000_000)]
    closing = asyncio.Event()

    async def shop(basket: list[tuple[Json, int]]) -> None:
        buyer = await client.new_buyer()
        while not closing.is_set():
            await clients.buy(buyer, basket)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(shop([(product, 1) for product in products]))
        yield
        closing.set()
    assert clients.retries == 0


async def all_orders_are_notified(market: Marketplace) -> None:
    """Wait until admins are notified of every order that exists now."""
    rows = await market.rows("order", "SELECT event_id FROM event_log WHERE topic = 'order.created'")
    ids = [row["event_id"] for row in rows]

    async def all_notified() -> bool:
        query = "SELECT count(DISTINCT source_event_id) AS n FROM notifications WHERE source_event_id = ANY($1)"
        await asyncio.sleep(0.05)
        return bool((await market.rows("admin", query, ids))[0]["n"] == len(ids))

    await until(all_notified, "the other service has taken over", timeout=WITHIN)


async def test_pausing_each_kafka_service_and_the_bus_does_nothing_twice(cluster: Cluster) -> None:
    market = cluster.market
    async with JourneyClient.connect(market) as client:
        clients = Clients(client, Random(1))  # noqa: S311  no secret
        with another_kafka_service(market) as second:
            async with buyer_load_without_failures(client, clients):
                await clients.wait_for_orders(20)
                for pid in (market.service("kafka").pid, second):
                    with paused(pid):
                        await clients.wait_for_orders(clients.orders + 20)
                        await all_orders_are_notified(market)
                    await clients.wait_for_orders(clients.orders + 20)
                cluster.broker.freeze()
                try:
                    before = clients.orders
                    # The duration is under test.
                    await asyncio.sleep(AWAY)
                    assert clients.orders > before
                finally:
                    cluster.broker.thaw()
                await clients.wait_for_orders(clients.orders + 20)
            await at_rest(cluster)
            found = await observe(cluster, client)
    assert len(found.snapshot.orders) == clients.orders
    assert all_violations(found) == []
    found.snapshot.assert_reconciled(market.stock)
