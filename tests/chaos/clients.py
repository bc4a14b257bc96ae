"""Programs that buy and sell as they ought to: what failed is asked again under the same key, until it is answered."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

from nextbuy.kit.clock import utc_now
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.rpc.retry import backoff
from tests.journeys.crowd import LOST
from tests.journeys.people import Answer, Json, Person, Seller, Town, paid_event
from tests.waiting import until

PATIENCE: Final = 120.0
"""Seconds within which an answer must be had, whatever dies meanwhile."""
LONGEST: Final = 1_200.0
"""Seconds that all purchases together may take."""
AGAIN: Final = 0.05
"""How often, out of one, what has been answered is asked once more."""
_BASE, _CAP = 0.05, 1.0


@dataclass(frozen=True)
class Told:
    """A session that a buyer was told of, and that the provider was told is taken care of."""

    session_id: UUID
    total: int
    orders: int


class Clients:
    """Everybody who asks something of one marketplace, and what they were told."""

    def __init__(self, town: Town, chance: Random) -> None:
        """Let `chance` decide what they do."""
        self._town = town
        self._chance = chance
        self._secrets = town.market.settings_inside().signing_secrets()
        self._numbers = count(1)
        self.told: list[Told] = []
        self.orders = 0
        """How many orders they know to be made."""
        self.changes: dict[str, int] = {}
        """By product: how many changes of it were granted."""
        self.tried_again = 0
        self.refused: list[str] = []

    def baskets(self, orders: int, products: list[Json]) -> Iterator[list[tuple[Json, int]]]:
        """Baskets that come to so many orders: of one shop or of two."""
        shops = sorted({str(product["shop_id"]) for product in products})
        while orders:
            wanted = self._chance.sample(shops, min(orders, self._chance.choice((1, 2))))
            yield [
                (self._chance.choice([one for one in products if one["shop_id"] == shop]), self._chance.randint(1, 3))
                for shop in wanted
            ]
            orders -= len(wanted)

    async def have_made(self, orders: int) -> None:
        """Wait until there are so many orders."""
        await until(lambda: self.orders >= orders, f"{orders} orders", within=LONGEST)

    async def buy(self, buyer: Person, basket: list[tuple[Json, int]]) -> None:
        """Open a session, pay it, and remember what was said."""
        lines = [{"product_id": product["id"], "quantity": quantity} for product, quantity in basket]
        path = "/order/api/create-payment-session"
        while True:
            opened = await self._insist("POST", path, {"lines": lines}, buyer)
            if opened.status == 201:
                break
            self.refused.append(opened.slug)
            assert opened.slug == "session-expired", opened.body
        session = opened.said
        event = json.dumps(paid_event(session)).encode()
        for _ in range(2 if self._chance.random() < AGAIN else 1):
            assert (await self._webhook(event)).status == 200
        self.told.append(Told(UUID(session["session_id"]), session["total"]["amount"], len(basket)))
        self.orders += len(basket)

    async def _webhook(self, event: bytes) -> Answer:
        async def send() -> Answer:
            signed = webhook_signature.sign(event, self._secrets, at=int(utc_now().timestamp()))
            headers = {webhook_signature.HEADER: signed, "Content-Type": "application/json"}
            return await self._town.ask("POST", "/order/api/payment-webhook", raw=event, headers=headers)

        return await self._until_answered(send)

    async def reprice(self, seller: Seller, product: Json) -> None:
        """Change the price of a product by a cent, up and down in turn."""
        done = self.changes.setdefault(product["id"], 0)
        price = {"amount": product["price"]["amount"] + (done + 1) % 2, "currency": "USD"}
        answer = await self._insist("PUT", f"/product/api/update-product/{product['id']}", {"price": price}, seller)
        assert answer.status == 200, answer.body
        self.changes[product["id"]] += 1

    async def _insist(self, method: str, path: str, body: Json, who: Person) -> Answer:
        """Ask until there is an answer; what was answered is answered the same when it is asked once more."""
        key: Mapping[str, str] = {"Idempotency-Key": f"chaos-{next(self._numbers)}"}

        async def send() -> Answer:
            return await self._town.ask(method, path, body, who=who, headers=key)

        answer = await self._until_answered(send)
        if self._chance.random() < AGAIN:
            again = await self._until_answered(send)
            assert (again.status, again.said) == (answer.status, answer.said)
            assert again.headers["Idempotency-Replayed"] == "true"
        return answer

    async def _until_answered(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        tries = 0
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(*LOST):
                    answer = await send()
                    in_progress = answer.status == 409 and answer.slug == "in-progress"
                    if answer.status < 500 and not in_progress:
                        return answer
                await asyncio.sleep(backoff(tries, base=_BASE, cap=_CAP, random=self._chance.random))
                tries += 1
                self.tried_again += 1
