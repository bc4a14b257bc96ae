"""The demo market is created through the public API; an interrupted run is completed by the next one."""

import asyncio
import re
from collections import Counter
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from nextbuy.contracts.values import Role
from nextbuy.demo.catalogue import PASSWORD, load
from nextbuy.demo.seed import CONCURRENCY, SeedError, seed

ADMIN = "token of the admin"
SENSITIVE = "electronics"
Reply = tuple[int, Any]


class Interrupted(Exception):
    """The run was interrupted."""


class FakeApi:
    """The part of the public API that the demo market needs, in memory; it may interrupt the run at a request."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, str]] = {}
        self.shops: dict[str, dict[str, str]] = {}
        self.products: list[tuple[str, str, str]] = []
        self.requests: Counter[str] = Counter()
        self.interrupt_after: int | None = None
        self.concurrent = self.max_concurrent = 0
        self.refusals: dict[str, Reply] = {}

    async def __call__(self, method: str, path: str, body: object = None, token: str | None = None) -> Reply:
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        await asyncio.sleep(0)
        self.concurrent -= 1
        parts = urlsplit(path)
        name = parts.path.split("/")[3]
        self.requests[name] += 1
        reply = self.refusals.get(name) or self._reply(
            name, parts.path, parts.query, _fields(method, body), token or ""
        )
        if self.interrupt_after == self.requests.total():
            raise Interrupted
        return reply

    def _reply(self, name: str, path: str, query: str, body: dict[str, str], token: str) -> Reply:
        match name:
            case "register" | "login":
                return self._account(name, body)
            case "create-shop":
                if token in self.shops:
                    return 409, {"slug": "shop-exists", "detail": "You have a shop already; a seller has one."}
                if any(shop["name"] == body["name"] for shop in self.shops.values()):
                    return 409, {"slug": "shop-name-taken", "detail": "Another shop has this name; choose another."}
                self.shops[token] = {"name": body["name"], "status": "pending"}
                return 201, {"shop": self.shops[token]}
            case "my-shop":
                shop = self.shops.get(token)
                return (200, {"shop": shop, "seller_status": shop["status"]}) if shop else (404, {"detail": "No shop."})
            case "approve-seller":
                assert token == ADMIN
                self.shops[f"token of {path.rpartition('/')[2].removeprefix('id of ')}"]["status"] = "approved"
                return 200, {}
            case "create-product":
                status = "pending" if body["category"] == SENSITIVE else "active"
                self.products.append((token, body["title"], status))
                return 201, {"product": {"title": body["title"], "status": status}}
            case "get-shop-products":
                return self._page([one for one in self.products if one[0] == token], query)
        raise AssertionError(path)

    def _account(self, name: str, body: dict[str, str]) -> Reply:
        email = body["email"]
        if name == "register":
            if email in self.accounts:
                return 409, {"slug": "email-taken", "detail": "This address has an account."}
            self.accounts[email] = body
        return 201 if name == "register" else 200, {
            "user": {"id": f"id of {email}"},
            "access_token": f"token of {email}",
        }

    def _page(self, own: list[tuple[str, str, str]], query: str) -> Reply:
        start, limit = int(parse_qs(query).get("cursor", ["0"])[0]), 5
        items = [{"title": title, "status": status} for _, title, status in own[start : start + limit]]
        return 200, {"items": items, "next_cursor": str(start + limit) if len(own) > start + limit else None}

    def state(self) -> tuple[object, ...]:
        """Return everything stored, sorted."""
        return (
            sorted(self.accounts),
            sorted((token, *shop.items()) for token, shop in self.shops.items()),
            sorted(self.products),
        )


def _fields(method: str, body: object) -> dict[str, str]:
    """Return the fields of a body; only a POST has one."""
    assert (method == "POST") == (body is not None)
    return cast("dict[str, str]", body or {})


async def test_empty_marketplace_gets_the_whole_demo_market() -> None:
    api, catalogue = FakeApi(), load()

    await seed(api, admin_token=ADMIN)

    people = [who for who in catalogue.accounts if who.role is not Role.ADMIN]
    assert {*api.accounts} == {who.email for who in people}
    assert all(account["password"] == PASSWORD for account in api.accounts.values())
    assert sorted(shop["name"] for shop in api.shops.values()) == sorted(shop.name for shop in catalogue.shops)
    assert sorted(title for _, title, _ in api.products) == sorted(product.title for product in catalogue.products)
    assert [status for *_, status in api.products if status != "active"] == ["pending"]


async def test_pending_seller_stays_pending() -> None:
    api = FakeApi()

    await seed(api, admin_token=ADMIN)

    states = Counter(shop["status"] for shop in api.shops.values())
    assert states == {"approved": len(load().shops) - 1, "pending": 1}


async def test_second_run_changes_nothing() -> None:
    api = FakeApi()
    await seed(api, admin_token=ADMIN)
    before = api.state()

    await seed(api, admin_token=ADMIN)

    assert api.state() == before


@pytest.mark.parametrize("interrupt_after", [1, 3, 7, 8, 12, 20, 21, 40, 80])
async def test_interrupted_run_is_completed_without_duplicates(interrupt_after: int) -> None:
    complete, api = FakeApi(), FakeApi()
    await seed(complete, admin_token=ADMIN)
    api.interrupt_after = interrupt_after
    with pytest.raises(Interrupted):
        await seed(api, admin_token=ADMIN)
    api.interrupt_after = None

    await seed(api, admin_token=ADMIN)

    assert api.state() == complete.state()


async def test_concurrent_requests_are_bounded() -> None:
    api = FakeApi()

    await seed(api, admin_token=ADMIN)

    assert api.max_concurrent == CONCURRENCY


async def test_products_of_a_pending_shop_are_left_out_if_refused() -> None:
    api = FakeApi()

    class Strict(FakeApi):
        async def __call__(self, method: str, path: str, body: object = None, token: str | None = None) -> Reply:
            if path.endswith("create-product") and api.shops[token or ""]["status"] == "pending":
                return 403, {"slug": "not-approved", "detail": "An admin has to approve your shop first."}
            return await api(method, path, body, token)

    await seed(Strict(), admin_token=ADMIN)

    waiting = sum(len(shop.products) for shop in load().shops if shop.status == "pending")
    assert len(api.products) == len(load().products) - waiting


@pytest.mark.parametrize(
    ("name", "reply", "message"),
    [
        (
            "register",
            (503, {"detail": "Try later."}),
            r"The account \S+ returned 503 instead of 201: Try later\.",
        ),
        (
            "create-shop",
            (409, {"detail": "The name is taken."}),
            r"The shop .* could not be created \(The name is taken\.\), .* 404 instead of 200: No shop",
        ),
        ("approve-seller", (401, None), "The approval of .* 401 instead of 200: no reason given"),
        ("create-product", (422, {"title": "Unreadable"}), "The product .* 422 instead of 201: Unreadable"),
    ],
)
async def test_unexpected_response_is_reported_with_its_request(name: str, reply: Reply, message: str) -> None:
    api = FakeApi()
    api.refusals[name] = reply

    with pytest.raises(SeedError, match=re.compile(message)):
        await seed(api, admin_token=ADMIN)


async def test_changed_password_of_a_demo_account_is_reported() -> None:
    api = FakeApi()
    await seed(api, admin_token=ADMIN)
    api.refusals["login"] = 401, {"detail": "The e-mail or the password is wrong."}

    with pytest.raises(SeedError, match="exists already, but its login returned 401"):
        await seed(api, admin_token=ADMIN)
