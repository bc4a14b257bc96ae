"""The demo market is filled through the public API, and an interrupted filling ends where an undisturbed one does."""

import asyncio
import re
from collections import Counter
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from nextbuy.contracts.values import Role
from nextbuy.demo.catalogue import PASSWORD, load
from nextbuy.demo.seed import AT_A_TIME, SeedError, seed

ADMIN = "token of the admin"
SENSITIVE = "electronics"
Said = tuple[int, Any]


class Cut(Exception):
    """Whoever filled the market was ended here."""


class Market:
    """The public API, as far as a seed needs it: answers from memory, of a marketplace that may die after any act."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, str]] = {}
        self.shops: dict[str, dict[str, str]] = {}
        self.products: list[tuple[str, str, str]] = []
        self.asked: Counter[str] = Counter()
        self.dies_after: int | None = None
        self.at_once = self.most_at_once = 0
        self.refuses: dict[str, Said] = {}

    async def __call__(self, method: str, path: str, body: object = None, token: str | None = None) -> Said:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        parts = urlsplit(path)
        name = parts.path.split("/")[3]
        self.asked[name] += 1
        said = self.refuses.get(name) or self._answer(name, parts.path, parts.query, _fields(method, body), token or "")
        if self.dies_after == self.asked.total():
            raise Cut
        return said

    def _answer(self, name: str, path: str, query: str, body: dict[str, str], token: str) -> Said:
        match name:
            case "register" | "login":
                return self._person(name, body)
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

    def _person(self, name: str, body: dict[str, str]) -> Said:
        email = body["email"]
        if name == "register":
            if email in self.accounts:
                return 409, {"slug": "email-taken", "detail": "This address has an account."}
            self.accounts[email] = body
        return 201 if name == "register" else 200, {
            "user": {"id": f"id of {email}"},
            "access_token": f"token of {email}",
        }

    def _page(self, own: list[tuple[str, str, str]], query: str) -> Said:
        asked = parse_qs(query)
        begin, most = int(asked.get("cursor", ["0"])[0]), 5
        items = [{"title": title, "status": status} for _, title, status in own[begin : begin + most]]
        return 200, {"items": items, "next_cursor": str(begin + most) if len(own) > begin + most else None}

    def state(self) -> tuple[object, ...]:
        """Return all there is, in an order that does not depend on who was first."""
        return (
            sorted(self.accounts),
            sorted((token, *shop.items()) for token, shop in self.shops.items()),
            sorted(self.products),
        )


def _fields(method: str, body: object) -> dict[str, str]:
    """Return what was sent; only a POST sends anything."""
    assert (method == "POST") == (body is not None)
    return cast("dict[str, str]", body or {})


async def test_an_empty_marketplace_is_filled_with_the_whole_market() -> None:
    market, catalogue = Market(), load()

    seeded = await seed(market, admin_token=ADMIN)

    people = [who for who in catalogue.accounts if who.role is not Role.ADMIN]
    assert {*market.accounts} == {who.email for who in people}
    assert all(account["password"] == PASSWORD for account in market.accounts.values())
    assert sorted(shop["name"] for shop in market.shops.values()) == sorted(shop.name for shop in catalogue.shops)
    assert sorted(title for _, title, _ in market.products) == sorted(product.title for product in catalogue.products)
    assert (seeded.shops, seeded.waiting_shops) == (len(catalogue.shops), 1)
    assert (seeded.products, seeded.made, seeded.waiting_products) == (
        len(catalogue.products),
        len(catalogue.products),
        1,
    )
    assert seeded.accounts == catalogue.accounts


async def test_a_seller_who_is_to_wait_is_left_waiting() -> None:
    market = Market()

    await seed(market, admin_token=ADMIN)

    states = Counter(shop["status"] for shop in market.shops.values())
    assert states == {"approved": len(load().shops) - 1, "pending": 1}


async def test_filling_it_again_changes_nothing() -> None:
    market = Market()
    await seed(market, admin_token=ADMIN)
    before = market.state()

    again = await seed(market, admin_token=ADMIN)

    assert market.state() == before
    assert (again.made, again.products, again.waiting_products) == (0, len(load().products), 1)


@pytest.mark.parametrize("dies_after", [1, 3, 7, 8, 12, 20, 21, 40, 80])
async def test_a_filling_that_was_killed_is_taken_up_without_doubles(dies_after: int) -> None:
    undisturbed, market = Market(), Market()
    await seed(undisturbed, admin_token=ADMIN)
    market.dies_after = dies_after
    with pytest.raises(Cut):
        await seed(market, admin_token=ADMIN)
    market.dies_after = None

    await seed(market, admin_token=ADMIN)

    assert market.state() == undisturbed.state()


async def test_only_a_few_requests_are_under_way_at_once() -> None:
    market = Market()

    await seed(market, admin_token=ADMIN)

    assert market.most_at_once == AT_A_TIME


async def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []

    await seed(Market(), admin_token=ADMIN, progress=lambda done, of: told.append((done, of)))

    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert told[-1] == (len(told), len(told))


async def test_the_products_of_a_shop_that_may_not_offer_yet_are_left_out() -> None:
    market = Market()

    class Strict(Market):
        async def __call__(self, method: str, path: str, body: object = None, token: str | None = None) -> Said:
            if path.endswith("create-product") and market.shops[token or ""]["status"] == "pending":
                return 403, {"slug": "not-approved", "detail": "An admin has to approve your shop first."}
            return await market(method, path, body, token)

    seeded = await seed(Strict(), admin_token=ADMIN)

    waiting = sum(len(shop.products) for shop in load().shops if shop.status == "pending")
    assert seeded.products == len(market.products) == len(load().products) - waiting


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        (
            "register",
            (503, {"detail": "Try later."}),
            r"The account \S+ was answered with 503 instead of 201: Try later\.",
        ),
        (
            "create-shop",
            (409, {"detail": "The name is taken."}),
            r"The shop .* cannot be made \(The name is taken\.\), .* 404 instead of 200: No shop",
        ),
        ("approve-seller", (401, None), "The approval of .* 401 instead of 200: no reason was given"),
        ("create-product", (422, {"title": "Unreadable"}), "The product .* 422 instead of 201: Unreadable"),
    ],
)
async def test_an_unexpected_answer_is_told_with_what_was_asked(name: str, answer: Said, said: str) -> None:
    market = Market()
    market.refuses[name] = answer

    with pytest.raises(SeedError, match=re.compile(said)):
        await seed(market, admin_token=ADMIN)


async def test_an_account_whose_password_was_changed_is_told() -> None:
    market = Market()
    await seed(market, admin_token=ADMIN)
    market.refuses["login"] = 401, {"detail": "The e-mail or the password is wrong."}

    with pytest.raises(SeedError, match="exists already, but its login was answered with 401"):
        await seed(market, admin_token=ADMIN)
