"""A client of the basket, with or without an account and the cookie of a guest."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from nextbuy.contracts.auth import Account
from nextbuy.kit.wire import Response
from tests.order.http_client import HttpClient
from tests.order.market import Market

Json = dict[str, Any]
Lines = list[tuple[UUID, int]]


class Browser:
    """A browser that keeps the cookie of its basket; `by` is the account that is logged in there."""

    def __init__(self, market: Market, by: Account | None = None) -> None:
        self._client = HttpClient(market)
        self.by = by
        self.token: str | None = None
        """The token of the guest's basket."""

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Send a request with the cookie, and keep the cookie of the response."""
        cookie = {} if self.token is None else {"cookie": f"theme=dark; nextbuy_basket={self.token}"}
        response = await self._client.request(method, path, body, by=self.by, key=key, headers={**cookie, **headers})
        for name, value in response.headers:
            if name == "set-cookie":
                self.token = value.partition("=")[2].partition(";")[0] or None
        return response

    async def get(self) -> Json:
        """Return the basket."""
        return decoded(await self.send("GET", "basket"))

    async def put(self, *lines: tuple[UUID, int], if_match: str | None = None) -> Response:
        """Replace the lines."""
        body = {"lines": [{"product_id": str(product_id), "quantity": quantity} for product_id, quantity in lines]}
        return await self.send("PUT", "basket", body, headers={} if if_match is None else {"if-match": if_match})

    async def add(self, product_id: UUID, quantity: int = 1, *, key: str | None = None) -> Response:
        """Add units of a product."""
        return await self.send("POST", "add-to-basket", {"product_id": str(product_id), "quantity": quantity}, key=key)

    async def lines(self) -> Lines:
        """Return the products of the basket with their quantities, in order."""
        return units(await self.get())


def decoded(response: Response) -> Json:
    """Return the body of a response that succeeded."""
    assert response.status == 200, response.body
    return msgspec.json.decode(response.body, type=Json)


def problem(response: Response) -> tuple[int, str]:
    """Return the status and the slug of a refusal."""
    return response.status, msgspec.json.decode(response.body, type=Json)["slug"]


def units(basket: Json) -> Lines:
    """Return the products of a basket with their quantities, in order."""
    return [(UUID(line["product_id"]), line["quantity"]) for line in basket["lines"]]


def changes(basket: Json) -> list[tuple[str, UUID]]:
    """Return what a basket says has changed."""
    return [(change["code"], UUID(change["product_id"])) for change in basket["changes"]]


def header(response: Response, name: str) -> str:
    """Return a header that a response has once."""
    [value] = [value for one, value in response.headers if one == name]
    return value


async def count_baskets(market: Market) -> int:
    """Return the number of stored baskets."""
    return int(await market.database.fetchval("SELECT count(*) FROM baskets"))
