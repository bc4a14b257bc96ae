"""A destination is unavailable for a minute: the others stay current, and it has caught up soon after its return.

`NEXTBUY_TEST_SLACK` multiplies the limits; they are meant for a machine with nothing else to do.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random
from uuid import UUID

import pytest

from tests.chaos.clients import Clients
from tests.chaos.cluster import paused, running_cluster
from tests.journeys.journey_client import JourneyClient, Person
from tests.journeys.marketplace import Marketplace
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]
SLACK = float(os.environ.get("NEXTBUY_TEST_SLACK") or 1)
EVENTS_A_SECOND = 100
CHECKOUTS_A_SECOND = 12.5
"""Each of two lines and two shops, with eight events of order."""
BEFORE = 20.0
OUTAGE = 60.0
CATCH_UP = 5.0
CURRENT = 0.1
"""Seconds of a p99 that counts as current, whatever it was before: the machine runs the load as well."""
TOPIC = "order.created"


@pytest.fixture(params=["redis", "kafka"])
def market(request: pytest.FixtureRequest) -> Iterator[Marketplace]:
    """A marketplace on each bus."""
    carrier: str = request.param
    with running_cluster(carrier) as cluster:
        yield cluster.market


@asynccontextmanager
async def steady_load(client: JourneyClient) -> AsyncIterator[None]:
    """Check out at a steady rate until the context ends."""
    clients = Clients(client, Random(1))  # noqa: S311  no secret
    products = [await client.new_product(await client.new_seller(), stock=1_000_000) for _ in range(2)]
    idle: asyncio.Queue[Person] = asyncio.Queue()
    for _ in range(8):
        idle.put_nowait(await client.new_buyer())
    closing = asyncio.Event()

    async def buy() -> None:
        # One checkout at a time, because a second one of the same buyer replaces the first.
        buyer = await idle.get()
        await clients.buy(buyer, [(product, 1) for product in products])
        idle.put_nowait(buyer)

    async def run() -> None:
        began, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as checkouts:
            while not closing.is_set():
                checkouts.create_task(buy())
                number += 1
                await asyncio.sleep(max(0.0, began + number / CHECKOUTS_A_SECOND - time.monotonic()))

    load = asyncio.create_task(run())
    try:
        yield
    finally:
        closing.set()
        await load


async def published(market: Marketplace, topic: str | None = None) -> dict[UUID, datetime]:
    """Return the events of order, or of one of its topics, with their times."""
    rows = await market.rows(
        "order", "SELECT event_id, created_at FROM event_log WHERE $1::text IS NULL OR topic = $1", topic
    )
    return {row["event_id"]: row["created_at"] for row in rows}


async def applied(market: Marketplace, service: str) -> dict[UUID, datetime]:
    """Return the events that a destination has applied, with the times of their transactions."""
    rows = await market.rows(service, "SELECT event_id, max(at) AS at FROM inbox GROUP BY event_id")
    return {row["event_id"]: row["at"] for row in rows}


async def p99(market: Marketplace, service: str, since: datetime, until_: datetime) -> float:
    """Return the 99th percentile of the seconds from commit to delivery of the orders of a time."""
    at = await applied(market, service)
    delays = sorted(
        (at[event_id] - published_at).total_seconds()
        for event_id, published_at in (await published(market, TOPIC)).items()
        if since <= published_at < until_
    )
    return delays[len(delays) * 99 // 100]


async def now(market: Marketplace) -> datetime:
    [row] = await market.rows("order", "SELECT clock_timestamp() AS now")
    at: datetime = row["now"]
    return at


async def test_destination_that_returns_has_caught_up_within_seconds_and_the_others_stay_current(
    market: Marketplace,
) -> None:
    async with JourneyClient.connect(market) as client, steady_load(client):
        begin = await now(market)
        await asyncio.sleep(BEFORE)
        away = await now(market)
        with paused(market.service("notification").pid):
            await asyncio.sleep(OUTAGE)  # the time is under test
            back = await now(market)
            missed = set(await published(market, TOPIC)) - set(await applied(market, "notification"))
        returned = time.monotonic()

        async def caught_up() -> bool:
            return set(await applied(market, "notification")) >= missed

        await until(caught_up, "notification has caught up", timeout=60)
        seconds = time.monotonic() - returned

    rate = len([at for at in (await published(market)).values() if away <= at < back]) / OUTAGE
    delays = {
        service: (await p99(market, service, begin, away), await p99(market, service, away, back))
        for service in ("admin", "analytics")
    }
    sys.stdout.write(f"{rate:.0f} events/s, {len(missed)} missed, caught up in {seconds:.1f} s, p99 {delays}\n")
    assert rate >= EVENTS_A_SECOND * 0.95 / SLACK
    assert seconds <= CATCH_UP * SLACK
    assert [name for name, (before, during) in delays.items() if during > SLACK * max(CURRENT, 1.5 * before)] == []
