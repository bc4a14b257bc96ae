"""Create the demo market in an empty marketplace, through the public API.

It may be interrupted at any step and run again: existing accounts, shops and products are reused. The admin must exist,
because the public API creates none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

from nextbuy.contracts.values import Role
from nextbuy.demo.catalogue import PASSWORD, DemoAccount, DemoProduct, DemoShop, load

Item = TypeVar("Item")

CONCURRENCY: Final = 4
_OK: Final = 200
_CREATED: Final = 201
_FORBIDDEN: Final = 403
_CONFLICT: Final = 409


class Client(Protocol):
    """A client of the public API."""

    async def __call__(
        self, method: str, path: str, body: object | None = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Send a request and return the status and the decoded JSON of the response."""
        ...


class SeedError(Exception):
    """The demo market could not be created; the message names the request and its response."""


@dataclass(frozen=True)
class _OpenedShop:
    """A shop with the token of its owner, and the titles of the products that it had before."""

    shop: DemoShop
    token: str
    titles: set[str]


async def seed(client: Client, *, admin_token: str) -> None:
    """Create the missing parts of the demo market; the admin with `admin_token` approves the shops.

    Raises:
        SeedError: a response was not the expected one.
    """
    market = load()
    seeding = _Seeding(client, admin_token)
    shops: dict[str, _OpenedShop] = {}
    tokens: dict[str, tuple[str, str]] = {}

    async def register(account: DemoAccount) -> None:
        tokens[account.email] = await seeding.register(account)

    async def open_shop(shop: DemoShop) -> None:
        shops[shop.name] = await seeding.open_shop(shop, *tokens[shop.seller])

    async def offer(item: tuple[_OpenedShop, DemoProduct]) -> None:
        await seeding.offer(*item)

    await _for_each((account for account in market.accounts if account.role is not Role.ADMIN), register)
    await _for_each(market.shops, open_shop)
    await _for_each(_interleaved([shops[shop.name] for shop in market.shops]), offer)


class _Seeding:
    """The steps; each may be repeated."""

    def __init__(self, client: Client, admin_token: str) -> None:
        self._client = client
        self._admin_token = admin_token

    async def register(self, account: DemoAccount) -> tuple[str, str]:
        """Register an account, or sign in; return its id and token."""
        what, email = f"The account {account.email}", account.email
        body = {"email": email, "password": PASSWORD, "name": account.name, "role": account.role.value}
        status, reply = await self._client("POST", "/auth/api/register", body)
        if status == _CONFLICT:
            status, reply = await self._client("POST", "/auth/api/login", {"email": email, "password": PASSWORD})
            _expect(f"{what} exists already, but its login", status, reply, _OK)
        else:
            _expect(what, status, reply, _CREATED)
        return reply["user"]["id"], reply["access_token"]

    async def open_shop(self, shop: DemoShop, seller_id: str, token: str) -> _OpenedShop:
        """Open a shop, or read the existing one, and approve it unless it is to stay pending."""
        what = f"The shop {shop.name!r}"
        body = {"name": shop.name, "bio": shop.bio, "category": shop.category}
        status, reply = await self._client("POST", "/seller/api/create-shop", body, token)
        titles: set[str] = set()
        seller_status = "pending"
        if status == _CONFLICT:
            reason = reply.get("detail")
            status, reply = await self._client("GET", "/seller/api/my-shop", None, token)
            _expect(f"{what} could not be created ({reason}), and reading the seller's shop", status, reply, _OK)
            seller_status = reply["seller_status"]
            titles = await self._product_titles(what, token)
        else:
            _expect(what, status, reply, _CREATED)
        if shop.status == "approved" and seller_status == "pending":
            status, reply = await self._client("POST", f"/admin/api/approve-seller/{seller_id}", {}, self._admin_token)
            _expect(f"The approval of {shop.name!r}", status, reply, _OK)
        return _OpenedShop(shop, token, titles)

    async def offer(self, opened: _OpenedShop, product: DemoProduct) -> None:
        """Offer a product unless it exists; the product of a pending shop may be refused."""
        if product.title in opened.titles:
            return
        body = {
            "title": product.title,
            "description": product.description,
            "category": product.category,
            "price": {"amount": product.price_cents, "currency": "USD"},
            "stock": product.stock,
            "tags": list(product.tags),
        }
        status, reply = await self._client("POST", "/product/api/create-product", body, opened.token)
        if not (status == _FORBIDDEN and opened.shop.status == "pending"):
            _expect(f"The product {product.title!r}", status, reply, _CREATED)

    async def _product_titles(self, what: str, token: str) -> set[str]:
        titles: set[str] = set()
        path = "/product/api/get-shop-products?limit=100"
        cursor = ""
        while True:
            status, reply = await self._client("GET", path + cursor, None, token)
            _expect(f"{what}: the list of its products", status, reply, _OK)
            titles |= {product["title"] for product in reply["items"]}
            if not reply.get("next_cursor"):
                return titles
            cursor = f"&cursor={quote(reply['next_cursor'])}"


def _expect(what: str, status: int, reply: Any, expected: int) -> None:  # noqa: ANN401  any JSON
    if status == expected:
        return
    reason = reply.get("detail") or reply.get("title") if isinstance(reply, dict) else None
    raise SeedError(f"{what} returned {status} instead of {expected}: {reason or 'no reason given'}")


def _interleaved(shops: Iterable[_OpenedShop]) -> list[tuple[_OpenedShop, DemoProduct]]:
    """Return the first product of each shop, then the second, so that the newest products come from many shops."""
    rows = zip_longest(*([(opened, product) for product in opened.shop.products] for opened in shops))
    return [item for row in rows for item in row if item is not None]


async def _for_each(items: Iterable[Item], act: Callable[[Item], Awaitable[None]]) -> None:
    """Call `act` with each item, `CONCURRENCY` at a time; the first error cancels the others and is raised."""
    remaining = iter(items)

    async def work() -> None:
        for item in remaining:
            await act(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        first: BaseException = failed
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
