"""Fills an empty marketplace with the demo market, through the public API alone.

It may be killed at any step and run again: what is there already is found, not made twice. Only the admin is not made
here, because no public way leads there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

from nextbuy.contracts.values import Role
from nextbuy.demo.catalogue import PASSWORD, DemoAccount, DemoCatalogue, DemoProduct, DemoShop, load

Item = TypeVar("Item")

AT_A_TIME: Final = 4
_OK: Final = 200
_CREATED: Final = 201
_FORBIDDEN: Final = 403
_CONFLICT: Final = 409


class Ask(Protocol):
    """Carries one request of the public API."""

    async def __call__(
        self, method: str, path: str, body: object | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Return the status and the decoded JSON of the answer."""
        ...


class SeedError(Exception):
    """The demo market cannot be made; the message says what was asked and what was answered."""


@dataclass(frozen=True)
class Seeded:
    """What is there now, and how many products of it were made this time."""

    accounts: tuple[DemoAccount, ...]
    shops: int
    waiting_shops: int
    products: int
    waiting_products: int
    made: int


@dataclass(frozen=True)
class _Stall:
    """A shop with its owner's token; `offered` maps the titles of what it has already to their statuses."""

    shop: DemoShop
    token: str
    offered: dict[str, str]


async def seed(ask: Ask, *, admin_token: str, progress: Callable[[int, int], None] | None = None) -> Seeded:
    """Make what is missing of the demo market.

    Args:
        ask: carries the requests.
        admin_token: an access token of an admin, who approves the shops.
        progress: is told after each step how many steps of how many are done.

    Raises:
        SeedError: an answer was not as it should be.
    """
    market = load()
    seeding = _Seeding(ask, admin_token, _Progress(market, progress))
    stalls: dict[str, _Stall] = {}
    tokens: dict[str, tuple[str, str]] = {}

    async def account(who: DemoAccount) -> None:
        tokens[who.email] = await seeding.account(who)

    async def stall(shop: DemoShop) -> None:
        stalls[shop.name] = await seeding.stall(shop, *tokens[shop.seller])

    async def product(goods: tuple[_Stall, DemoProduct]) -> None:
        await seeding.product(*goods)

    await _each((who for who in market.accounts if who.role is not Role.ADMIN), account)
    await _each(market.shops, stall)
    await _each(_mixed([stalls[shop.name] for shop in market.shops]), product)
    titles = [stalls[shop.name].offered.get(product.title) for shop in market.shops for product in shop.products]
    return Seeded(
        accounts=market.accounts,
        shops=len(stalls),
        waiting_shops=sum(shop.status == "pending" for shop in market.shops),
        products=sum(status is not None for status in titles),
        waiting_products=titles.count("pending"),
        made=seeding.made,
    )


class _Progress:
    def __init__(self, market: DemoCatalogue, tell: Callable[[int, int], None] | None) -> None:
        self._tell = tell
        self._done = 0
        self._all = len(market.accounts) - 1 + len(market.shops) + len(market.products)

    def step(self) -> None:
        self._done += 1
        if self._tell is not None:
            self._tell(self._done, self._all)


class _Seeding:
    """The steps, each of which can be done again."""

    def __init__(self, ask: Ask, admin_token: str, progress: _Progress) -> None:
        self._ask = ask
        self._admin_token = admin_token
        self._progress = progress
        self.made = 0

    async def account(self, who: DemoAccount) -> tuple[str, str]:
        """Register somebody, or log them in; return their id and token."""
        what = f"The account {who.email}"
        person = {"email": who.email, "password": PASSWORD, "name": who.name, "role": who.role.value}
        status, said = await self._ask("POST", "/auth/api/register", person)
        if status == _CONFLICT:
            status, said = await self._ask("POST", "/auth/api/login", {"email": who.email, "password": PASSWORD})
            _expect(f"{what} exists already, but its login", status, said, _OK)
        else:
            _expect(what, status, said, _CREATED)
        self._progress.step()
        return said["user"]["id"], said["access_token"]

    async def stall(self, shop: DemoShop, seller_id: str, token: str) -> _Stall:
        """Open a shop, or find it; have it approved where it should be; return it with what it offers."""
        what = f"The shop {shop.name!r}"
        asked = {"name": shop.name, "bio": shop.bio, "category": shop.category}
        status, said = await self._ask("POST", "/seller/api/create-shop", asked, token)
        offered: dict[str, str] = {}
        state = "pending"
        if status == _CONFLICT:
            why = said.get("detail")
            status, said = await self._ask("GET", "/seller/api/my-shop", None, token)
            _expect(f"{what} cannot be made ({why}), and what its seller has", status, said, _OK)
            state = said["seller_status"]
            offered = await self._offered(what, token)
        else:
            _expect(what, status, said, _CREATED)
        if shop.status == "approved" and state == "pending":
            status, said = await self._ask("POST", f"/admin/api/approve-seller/{seller_id}", {}, self._admin_token)
            _expect(f"The approval of {shop.name!r}", status, said, _OK)
        self._progress.step()
        return _Stall(shop, token, offered)

    async def product(self, stall: _Stall, product: DemoProduct) -> None:
        """Offer a product that is not there yet; a shop that waits may find that it cannot."""
        if product.title not in stall.offered:
            asked = {
                "title": product.title,
                "description": product.description,
                "category": product.category,
                "price": {"amount": product.price_cents, "currency": "USD"},
                "stock": product.stock,
                "tags": list(product.tags),
            }
            status, said = await self._ask("POST", "/product/api/create-product", asked, stall.token)
            if not (status == _FORBIDDEN and stall.shop.status == "pending"):
                _expect(f"The product {product.title!r}", status, said, _CREATED)
                stall.offered[product.title] = said["product"]["status"]
                self.made += 1
        self._progress.step()

    async def _offered(self, what: str, token: str) -> dict[str, str]:
        found: dict[str, str] = {}
        path = "/product/api/get-shop-products?limit=100"
        cursor = ""
        while True:
            status, said = await self._ask("GET", path + cursor, None, token)
            _expect(f"{what}: the list of its products", status, said, _OK)
            found |= {product["title"]: product["status"] for product in said["items"]}
            if not said.get("next_cursor"):
                return found
            cursor = f"&cursor={quote(said['next_cursor'])}"


def _expect(what: str, status: int, said: Any, expected: int) -> None:  # noqa: ANN401  any JSON
    if status == expected:
        return
    why = said.get("detail") or said.get("title") if isinstance(said, dict) else None
    message = f"{what} was answered with {status} instead of {expected}: {why or 'no reason was given'}"
    raise SeedError(message)


def _mixed(stalls: Iterable[_Stall]) -> list[tuple[_Stall, DemoProduct]]:
    """Return all goods, the first of each shop, then the second: the newest products are then of many shops."""
    rows = zip_longest(*([(stall, product) for product in stall.shop.products] for stall in stalls))
    return [goods for row in rows for goods in row if goods is not None]


async def _each(items: Iterable[Item], act: Callable[[Item], Awaitable[None]]) -> None:
    """Act on each item, a few at a time; the first failure ends the others and is raised as it is."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await act(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
