"""A chaos run: orders under load while the broker, the services that handle events and PostgreSQL are killed."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from random import Random
from typing import Final

from tests.chaos.clients import LONGEST, Clients
from tests.chaos.cluster import Cluster
from tests.chaos.observations import Observations, all_applied, all_compared, at_rest, observe
from tests.journeys.journey_client import JourneyClient, Json, Seller
from tests.waiting import until

BUYERS: Final = 16
SHOPS: Final = 3
PRODUCTS: Final = 3
"""Products per shop."""
DESTINATIONS: Final = ("admin", "analytics", "notification")
"""Services that events are delivered to, apart from product, without which no orders are made."""
KILLS: Final = {"broker": 3, "kafka": 2, "PostgreSQL": 1} | dict.fromkeys(DESTINATIONS, 1)
"""Kills per engine and service."""
PAUSE: Final = 6.0
"""Seconds that a destination is stopped: longer than a delivery call and its claim may take."""
FIRST, LAST = 0.08, 0.88
"""Fractions of all orders between which the kills happen."""
HELD: Final = 0.92
"""Fraction of all orders after which buyers wait for the last kill."""
AWAY: Final = 0.02
"""Fraction of all orders that is made while the broker is down."""
BETWEEN_CHANGES: Final = 0.3
"""Seconds between two price changes of a seller."""


class ChaosRun:
    """One run with all kills."""

    def __init__(
        self, cluster: Cluster, orders: int, seed: int, report: Callable[[str], None], *, compared: bool
    ) -> None:
        """Make `orders` orders; `seed` decides baskets and moments of kills; `report` receives progress.

        If `compared`, wait for minutes until the comparison of event logs with inboxes has passed every event.
        """
        self._stage = cluster
        self._orders = orders
        self._held = int(orders * HELD)
        self._chance = Random(seed)  # noqa: S311  no secret
        self._last_kill = 0.0
        self._report = report
        self._compared = compared
        self._began = time.monotonic()

    async def run(self) -> tuple[Clients, Observations]:
        """Buy through all kills, wait until every event is applied, and return the observations."""
        async with asyncio.timeout(LONGEST), JourneyClient.connect(self._stage.market) as client:
            clients = Clients(client, self._chance)
            sellers = [await client.new_seller() for _ in range(SHOPS)]
            goods = [(one, await client.new_product(one, stock=1_000_000)) for one in sellers for _ in range(PRODUCTS)]
            self._began = time.monotonic()
            closing = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for one in goods:
                    group.create_task(_go_on_changing(clients, *one, closing))
                await self._buy_and_kill(client, clients, [product for _, product in goods])
                closing.set()
            seconds = self._log("all orders are made")
            self._log(f"{clients.orders / seconds:.0f} orders a second; {clients.retries} requests were sent again")
            await all_applied(self._stage)
            self._log(f"everything is applied, {time.monotonic() - self._last_kill:.1f} s after the last kill")
            await at_rest(self._stage)
            self._log("all interrupted work is done")
            if self._compared:
                await all_compared(self._stage)
                self._log("every event is compared")
            return clients, await observe(self._stage, client)

    async def _buy_and_kill(self, client: JourneyClient, clients: Clients, products: list[Json]) -> None:
        baskets = clients.baskets(self._orders, products)
        buyers = [await client.new_buyer() for _ in range(BUYERS)]

        all_killed = asyncio.Event()

        async def shop(number: int) -> None:
            for basket in baskets:
                await clients.buy(buyers[number], basket)
                if clients.orders >= self._held:
                    await all_killed.wait()

        async with asyncio.TaskGroup() as group:
            for number in range(BUYERS):
                group.create_task(shop(number))
            async with asyncio.TaskGroup() as kills:
                for what, times in KILLS.items():
                    moments = sorted(self._chance.uniform(FIRST, LAST) for _ in range(times))
                    kills.create_task(self._kill(clients, what, [int(self._orders * part) for part in moments]))
            all_killed.set()

    async def _kill(self, clients: Clients, what: str, moments: list[int]) -> None:
        for moment in moments:
            await clients.wait_for_orders(moment)
            if what == "broker":
                await self._kill_broker(clients)
            elif what == "PostgreSQL":
                await self._kill_postgres(clients)
            else:
                await self._kill_service(what, clients)
            self._last_kill = max(self._last_kill, time.monotonic())

    async def _kill_broker(self, clients: Clients) -> None:
        await self._stage.broker.kill()
        self._log(f"the broker was killed at {clients.orders} orders")
        await clients.wait_for_orders(min(clients.orders + int(self._orders * AWAY), self._held))
        await self._stage.broker.restart()
        self._log(f"the broker is back at {clients.orders} orders")

    async def _kill_service(self, name: str, clients: Clients) -> None:
        """Kill a service; a destination is stopped first, so that calls to it are not answered."""
        await until(lambda: self._stage.is_running(name), f"{name} is restarted")
        process = self._stage.market.service(name)
        if name in DESTINATIONS:
            os.kill(process.pid, signal.SIGSTOP)
            self._log(f"{name} was stopped at {clients.orders} orders")
            await asyncio.sleep(PAUSE)
        process.kill()
        self._log(f"{name} was killed at {clients.orders} orders")

    async def _kill_postgres(self, clients: Clients) -> None:
        await self._stage.postgres.kill()
        self._log(f"PostgreSQL was killed at {clients.orders} orders")
        await self._stage.postgres.restart()
        self._log("PostgreSQL is back")

    def _log(self, what: str) -> float:
        seconds = time.monotonic() - self._began
        self._report(f"{seconds:6.1f} s  {what}")
        return seconds


async def _go_on_changing(clients: Clients, seller: Seller, product: Json, closing: asyncio.Event) -> None:
    while not closing.is_set():
        await clients.reprice(seller, product)
        await asyncio.sleep(BETWEEN_CHANGES)
