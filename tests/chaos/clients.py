"""Well-behaved API clients: failed requests are retried under the same idempotency key."""

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
from tests.journeys.journey_client import JourneyClient, Json, Person, Response, Seller, paid_event
from tests.journeys.load import CONNECTION_ERRORS
from tests.waiting import until

TIMEOUT: Final = 120.0
"""Seconds to retry for a response, whatever is killed meanwhile."""
LONGEST: Final = 1_200.0
"""Seconds for all purchases together."""
AGAIN: Final = 0.05
"""Probability that an answered request is sent once more."""
_BASE, _CAP = 0.05, 1.0


@dataclass(frozen=True)
class CompletedSession:
    """A session that was created for its buyer and acknowledged to the provider."""

    session_id: UUID
    total: int
    orders: int


class Clients:
    """All clients of one marketplace, and what was confirmed to them."""

    def __init__(self, client: JourneyClient, chance: Random) -> None:
        """Draw all decisions from `chance`."""
        self._client = client
        self._chance = chance
        self._secrets = client.market.settings_inside().signing_secrets()
        self._numbers = count(1)
        self.confirmed: list[CompletedSession] = []
        self.orders = 0
        """Orders that were confirmed."""
        self.changes: dict[str, int] = {}
        """By product: confirmed price changes."""
        self.retries = 0
        self.refused: list[str] = []

    def baskets(self, orders: int, products: list[Json]) -> Iterator[list[tuple[Json, int]]]:
        """Yield baskets of one or two shops that amount to `orders` orders."""
        shops = sorted({str(product["shop_id"]) for product in products})
        while orders:
            wanted = self._chance.sample(shops, min(orders, self._chance.choice((1, 2))))
            yield [
                (self._chance.choice([one for one in products if one["shop_id"] == shop]), self._chance.randint(1, 3))
                for shop in wanted
            ]
            orders -= len(wanted)

    async def wait_for_orders(self, orders: int) -> None:
        """Wait until `orders` orders are confirmed."""
        await until(lambda: self.orders >= orders, f"{orders} orders", timeout=LONGEST)

    async def buy(self, buyer: Person, basket: list[tuple[Json, int]]) -> None:
        """Open a session, pay it, and record the confirmations."""
        lines = [{"product_id": product["id"], "quantity": quantity} for product, quantity in basket]
        path = "/order/api/create-payment-session"
        while True:
            opened = await self._request_until_answered("POST", path, {"lines": lines}, buyer)
            if opened.status == 201:
                break
            self.refused.append(opened.slug)
            assert opened.slug == "session-expired", opened.body
        session = opened.json
        event = json.dumps(paid_event(session)).encode()
        for _ in range(2 if self._chance.random() < AGAIN else 1):
            assert (await self._webhook(event)).status == 200
        self.confirmed.append(CompletedSession(UUID(session["session_id"]), session["total"]["amount"], len(basket)))
        self.orders += len(basket)

    async def _webhook(self, event: bytes) -> Response:
        async def send() -> Response:
            signed = webhook_signature.sign(event, self._secrets, at=int(utc_now().timestamp()))
            headers = {webhook_signature.HEADER: signed, "Content-Type": "application/json"}
            return await self._client.request("POST", "/order/api/payment-webhook", raw=event, headers=headers)

        return await self._until_answered(send)

    async def reprice(self, seller: Seller, product: Json) -> None:
        """Change the price of a product by one cent, up and down in turn."""
        done = self.changes.setdefault(product["id"], 0)
        price = {"amount": product["price"]["amount"] + (done + 1) % 2, "currency": "USD"}
        response = await self._request_until_answered(
            "PUT", f"/product/api/update-product/{product['id']}", {"price": price}, seller
        )
        assert response.status == 200, response.body
        self.changes[product["id"]] += 1

    async def _request_until_answered(self, method: str, path: str, body: Json, who: Person) -> Response:
        """Retry until there is a response; a repeated request must replay it."""
        key: Mapping[str, str] = {"Idempotency-Key": f"chaos-{next(self._numbers)}"}

        async def send() -> Response:
            return await self._client.request(method, path, body, who=who, headers=key)

        response = await self._until_answered(send)
        if self._chance.random() < AGAIN:
            again = await self._until_answered(send)
            assert (again.status, again.json) == (response.status, response.json)
            assert again.headers["Idempotency-Replayed"] == "true"
        return response

    async def _until_answered(self, send: Callable[[], Awaitable[Response]]) -> Response:
        tries = 0
        async with asyncio.timeout(TIMEOUT):
            while True:
                with suppress(*CONNECTION_ERRORS):
                    response = await send()
                    in_progress = response.status == 409 and response.slug == "in-progress"
                    if response.status < 500 and not in_progress:
                        return response
                await asyncio.sleep(backoff(tries, base=_BASE, cap=_CAP, random=self._chance.random))
                tries += 1
                self.retries += 1
