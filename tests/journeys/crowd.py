"""Buyers who go on buying whatever happens to the marketplace, and who makes things happen to it at a chosen moment."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from typing import Final, Self

import aiohttp

from tests.journeys.marketplace import Line, Marketplace
from tests.journeys.people import BAD_CARD, GOOD_CARD, Json, Person, Town

LOST: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What a client sees when the marketplace dies under it."""


class Crowd:
    """People who buy and pay all the time; a request that is lost, or answered 5xx, is a pity and no more."""

    def __init__(self, town: Town, buyers: Sequence[Person], products: Sequence[Json]) -> None:
        self._town = town
        self._buyers = buyers
        self._products = products
        self._leaving = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: list[int] = []
        """The status of every answer."""
        self.paid: list[Json] = []
        """The sessions whose payment was answered with success."""

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
            except LOST:
                self.answers.append(0)
                await asyncio.sleep(0.05)

    async def _buy(self, buyer: Person) -> None:
        # Chosen at random, as people do; no secret.
        basket = [(product, random.randint(1, 2)) for product in random.sample(self._products, 2)]  # noqa: S311
        opened = await self._town.checkout(buyer, basket)
        self.answers.append(opened.status)
        if opened.status != 201:
            await asyncio.sleep(0.02)
            return
        card = BAD_CARD if random.random() < 0.2 else GOOD_CARD  # noqa: S311
        paid = await self._town.pay(opened.said, card)
        self.answers.append(paid.status)
        if paid.status == 200 and paid.said["status"] == "paid":
            self.paid.append(opened.said)


class Assassin(threading.Thread):
    """Kills a whole marketplace at the moment when a chosen line appears in its log."""

    def __init__(self, market: Marketplace, line: Line, *, within: float = 15.0) -> None:
        """Wait for a line that has these fields; where a field is a text, for one that begins with it."""
        super().__init__(daemon=True)
        self._market = market
        self._line = line
        self._since = market.log_size()
        self._tree = market.tree()
        self._ends = time.monotonic() + within
        self.has_killed = False

    def run(self) -> None:
        """Watch, and strike."""
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
