"""Orders as fast as they come, while what carries, tells and keeps them is killed under them."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Final

from tests.chaos.clients import LONGEST, Clients
from tests.chaos.findings import Findings, all_applied, at_rest, look
from tests.chaos.stage import Stage
from tests.journeys.people import Json, Seller, Town
from tests.waiting import until

BUYERS: Final = 16
SHOPS: Final = 3
PRODUCTS: Final = 3
"""Of each shop."""
BLOWS: Final = {"broker": 3, "kafka service": 2, "PostgreSQL": 1}
"""How often each is killed."""
FIRST, LAST = 0.08, 0.88
"""Between which parts of all orders the blows fall."""
HELD: Final = 0.92
"""After which part of all orders the buyers wait until the last blow has fallen."""
AWAY: Final = 0.02
"""Which part of all orders is made while the broker is away."""
BETWEEN_CHANGES: Final = 0.3
"""Seconds that a seller takes between two changes of a price."""


class Ordeal:
    """One run through all blows."""

    def __init__(self, stage: Stage, orders: int, seed: int, tell: Callable[[str], None]) -> None:
        """Make so many orders; the seed decides who buys what and when each blow falls; `tell` hears what happens."""
        self._stage = stage
        self._orders = orders
        self._held = int(orders * HELD)
        self._chance = Random(seed)  # noqa: S311  no secret
        self._last_blow = 0.0
        self._say = tell
        self._began = time.monotonic()

    async def survive(self) -> tuple[Clients, Findings]:
        """Buy through all blows, wait until everything is applied, and look."""
        async with asyncio.timeout(LONGEST), Town.around(self._stage.market) as town:
            clients = Clients(town, self._chance)
            sellers = [await town.seller() for _ in range(SHOPS)]
            goods = [(one, await town.product(one, stock=1_000_000)) for one in sellers for _ in range(PRODUCTS)]
            self._began = time.monotonic()
            closing = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for one in goods:
                    group.create_task(_go_on_changing(clients, *one, closing))
                await self._buy_and_strike(town, clients, [product for _, product in goods])
                closing.set()
            seconds = self._tell("all have bought")
            self._tell(
                f"{clients.orders / seconds:.0f} orders a second; {clients.tried_again} requests were sent again"
            )
            await all_applied(self._stage)
            self._tell(f"everything is applied, {time.monotonic() - self._last_blow:.1f} s after the last blow")
            await at_rest(self._stage)
            self._tell("what was left half done has come to its end")
            return clients, await look(self._stage, town)

    async def _buy_and_strike(self, town: Town, clients: Clients, products: list[Json]) -> None:
        baskets = clients.baskets(self._orders, products)
        buyers = [await town.buyer() for _ in range(BUYERS)]

        struck = asyncio.Event()

        async def shop(number: int) -> None:
            for basket in baskets:
                await clients.buy(buyers[number], basket)
                if clients.orders >= self._held:
                    await struck.wait()

        async with asyncio.TaskGroup() as group:
            for number in range(BUYERS):
                group.create_task(shop(number))
            async with asyncio.TaskGroup() as blows:
                for what, times in BLOWS.items():
                    moments = sorted(self._chance.uniform(FIRST, LAST) for _ in range(times))
                    blows.create_task(self._strike(clients, what, [int(self._orders * part) for part in moments]))
            struck.set()

    async def _strike(self, clients: Clients, what: str, moments: list[int]) -> None:
        act = {"broker": self._broker, "kafka service": self._kafka_service, "PostgreSQL": self._postgres}[what]
        for moment in moments:
            await clients.have_made(moment)
            await act(clients)
            self._last_blow = max(self._last_blow, time.monotonic())

    async def _broker(self, clients: Clients) -> None:
        await self._stage.broker.kill()
        self._tell(f"the broker was killed at {clients.orders} orders")
        await clients.have_made(min(clients.orders + int(self._orders * AWAY), self._held))
        await self._stage.broker.restart()
        self._tell(f"the broker is back at {clients.orders} orders")

    async def _kafka_service(self, clients: Clients) -> None:
        await until(self._the_kafka_service_is_there, "the kafka service was started again")
        self._stage.market.service("kafka").kill()
        self._tell(f"the kafka service was killed at {clients.orders} orders")

    async def _postgres(self, clients: Clients) -> None:
        await self._stage.postgres.kill()
        self._tell(f"PostgreSQL was killed at {clients.orders} orders")
        await self._stage.postgres.restart()
        self._tell("PostgreSQL is back")

    def _the_kafka_service_is_there(self) -> bool:
        try:
            return self._stage.market.service("kafka").is_running()
        except StopIteration:
            return False

    def _tell(self, what: str) -> float:
        seconds = time.monotonic() - self._began
        self._say(f"{seconds:6.1f} s  {what}")
        return seconds


async def _go_on_changing(clients: Clients, seller: Seller, product: Json, closing: asyncio.Event) -> None:
    while not closing.is_set():
        await clients.reprice(seller, product)
        await asyncio.sleep(BETWEEN_CHANGES)
