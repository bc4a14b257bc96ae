"""Load by buyers who ignore failures, and a thread that kills the marketplace at a chosen log line."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from typing import Final, Self

import aiohttp

from tests.journeys.journey_client import BAD_CARD, GOOD_CARD, JourneyClient, Json, Person
from tests.journeys.marketplace import Line, Marketplace

CONNECTION_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""The errors of a client whose server dies."""


class BuyerLoad:
    """Buyers who check out and pay continuously; lost requests and 5xx responses are ignored."""

    def __init__(self, client: JourneyClient, buyers: Sequence[Person], products: Sequence[Json]) -> None:
        self._client = client
        self._buyers = buyers
        self._products = products
        self._leaving = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.responses: list[int] = []
        """The status of every response."""
        self.paid: list[Json] = []
        """The sessions whose payment succeeded."""

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._shop(buyer)) for buyer in self._buyers]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving.set()
        await asyncio.gather(*self._tasks)

    async def _shop(self, buyer: Person) -> None:
        while not self._leaving.is_set():
            try:
                await self._buy(buyer)
            except CONNECTION_ERRORS:
                self.responses.append(0)
                await asyncio.sleep(0.05)

    async def _buy(self, buyer: Person) -> None:
        # A random basket; no secret.
        basket = [(product, random.randint(1, 2)) for product in random.sample(self._products, 2)]  # noqa: S311
        opened = await self._client.checkout(buyer, basket)
        if opened.status == 409 and opened.json["slug"] == "already-paid":
            # The provider has not reported the payment of the buyer's last checkout yet.
            await asyncio.sleep(0.02)
            return
        self.responses.append(opened.status)
        if opened.status != 201:
            await asyncio.sleep(0.02)
            return
        card = BAD_CARD if random.random() < 0.2 else GOOD_CARD  # noqa: S311
        paid = await self._client.pay(opened.json, card)
        self.responses.append(paid.status)
        if paid.status == 200 and paid.json["status"] == "paid":
            self.paid.append(opened.json)


class KillOnLogLine(threading.Thread):
    """A thread that kills the whole marketplace as soon as a matching line appears in its log."""

    def __init__(self, market: Marketplace, line: Line, *, timeout: float = 15.0) -> None:
        """Match a line whose fields start with these values."""
        super().__init__(daemon=True)
        self._market = market
        self._line = line
        self._since = market.log_size()
        self._tree = market.tree()
        self._ends = time.monotonic() + timeout
        self.has_killed = False

    def run(self) -> None:
        """Poll the log and kill on a match."""
        while time.monotonic() < self._ends:
            size = self._market.log_size()
            if size > self._since:
                lines = self._market.lines(self._since)
                if any(self._is_it(line) for line in lines):
                    self._market.kill(self._tree)
                    self.has_killed = True
                    return
            time.sleep(0.0005)

    def _is_it(self, line: Line) -> bool:
        return all(str(line.get(name, "")).startswith(str(value)) for name, value in self._line.items())
