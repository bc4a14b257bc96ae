"""Who stands still for longer than its lease and then goes on, as if nothing had been, does nothing twice."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random

import pytest

from nextbuy.host.supervisor import free_port
from tests.chaos.checks import all_wrongs
from tests.chaos.clients import Clients
from tests.chaos.findings import at_rest, look
from tests.chaos.stage import Stage, staged
from tests.journeys.marketplace import Marketplace, nextbuy
from tests.journeys.people import Json, Town
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
AWAY = 10.0
"""Seconds: more than any lease, and than a relay or a consumer waits for the bus."""
WITHIN = 60.0


@pytest.fixture(params=["redis", "kafka"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A marketplace on each bus."""
    carrier: str = request.param
    with staged(carrier) as stage:
        yield stage


@contextmanager
def another_kafka_service(market: Marketplace) -> Iterator[int]:
    """One more process of the kafka service, beside that of the marketplace; gives its number."""
    environment = market.service("kafka").environ() | {"NEXTBUY_PORT": str(free_port())}
    process = subprocess.Popen(nextbuy("serve", "kafka", "--log", "file"), env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Hold a process."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def people_go_on_buying(town: Town, clients: Clients) -> AsyncIterator[None]:
    """Four who buy until the context ends, none of whom ever has to ask twice."""
    seller = await town.seller()
    products = [await town.product(seller, stock=1_000_000), await town.product(stock=1_000_000)]
    closing = asyncio.Event()

    async def shop(basket: list[tuple[Json, int]]) -> None:
        buyer = await town.buyer()
        while not closing.is_set():
            await clients.buy(buyer, basket)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(shop([(product, 1) for product in products]))
        yield
        closing.set()
    assert clients.tried_again == 0


async def all_that_is_ordered_is_told(market: Marketplace) -> None:
    """Wait until the admins have been notified of each order that there is now."""
    rows = await market.rows("order", "SELECT event_id FROM event_log WHERE topic = 'order.created'")
    ids = [row["event_id"] for row in rows]

    async def told() -> bool:
        query = "SELECT count(DISTINCT source_event_id) AS n FROM notifications WHERE source_event_id = ANY($1)"
        await asyncio.sleep(0.05)
        return bool((await market.rows("admin", query, ids))[0]["n"] == len(ids))

    await until(told, "the other has taken over", within=WITHIN)


async def test_two_kafka_services_and_the_bus_stand_still_in_turn_and_nothing_is_done_twice(stage: Stage) -> None:
    market = stage.market
    async with Town.around(market) as town:
        clients = Clients(town, Random(1))  # noqa: S311  no secret
        with another_kafka_service(market) as second:
            async with people_go_on_buying(town, clients):
                await clients.have_made(20)
                for pid in (market.service("kafka").pid, second):
                    with standing_still(pid):
                        await clients.have_made(clients.orders + 20)
                        await all_that_is_ordered_is_told(market)
                    await clients.have_made(clients.orders + 20)
                stage.broker.freeze()
                try:
                    before = clients.orders
                    # The time itself is what is tested.
                    await asyncio.sleep(AWAY)
                    assert clients.orders > before
                finally:
                    stage.broker.thaw()
                await clients.have_made(clients.orders + 20)
            await at_rest(stage)
            found = await look(stage, town)
    assert len(found.books.orders) == clients.orders
    assert all_wrongs(found) == []
    found.books.are_right(market.stock)
