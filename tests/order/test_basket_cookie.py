"""The cookie of a guest's basket, and pages of other sites."""

from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from tests.order.basket_client import Browser, count_baskets, header, problem
from tests.order.market import Market


async def test_cookie_is_set_with_the_first_line_only(market: Market, guest: Browser, mug: UUID) -> None:
    for response in (await guest.send("GET", "basket"), await guest.put()):
        assert all(name != "set-cookie" for name, _ in response.headers)
    assert await count_baskets(market) == 0

    cookie = header(await guest.add(mug), "set-cookie")

    token = guest.token or ""
    assert cookie == f"nextbuy_basket={token}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert len(token) == 22
    assert header(await guest.add(mug), "set-cookie") == cookie
    stored = await market.database.fetchval("SELECT to_jsonb(baskets)::text FROM baskets")
    assert token not in stored
    assert token.encode().hex() not in stored


async def test_cookie_is_secure_on_https(market: Market, mug: UUID) -> None:
    settings = msgspec.structs.replace(market.deps.settings, public_url="https://shop.test")
    market.deps = replace(market.deps, settings=settings)

    assert header(await Browser(market).add(mug), "set-cookie").endswith("; SameSite=Lax; Secure")


async def test_cookie_that_names_no_basket_is_deleted_and_never_adopted(
    market: Market, guest: Browser, mug: UUID
) -> None:
    guest.token = "planted"
    assert "Max-Age=0" in header(await guest.send("GET", "basket"), "set-cookie")
    guest.token = "planted"
    await guest.add(mug)

    assert guest.token not in {None, "planted"}
    assert await guest.lines() == [(mug, 1)]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://shop.test"}, 200),
        ({"origin": "http://localhost:8080", "x-nextbuy-origin": "http://localhost:8080"}, 200),
        ({"sec-fetch-site": "cross-site", "origin": "https://partner.test"}, 200),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.test"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "https://other.shop.test"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://shop.test.evil.test"}, 403),
    ],
    ids=repr,
)
async def test_change_from_a_page_of_another_site_is_refused(
    market: Market, mug: UUID, headers: dict[str, str], status: int
) -> None:
    settings = msgspec.structs.replace(
        market.deps.settings, public_url="http://shop.test", cors_origins=("https://partner.test",)
    )
    market.deps = replace(market.deps, settings=settings)
    browser = Browser(market)
    body = {"product_id": str(mug), "quantity": 1}

    for method, path, sent in (("POST", "add-to-basket", body), ("PUT", "basket", {"lines": [body]})):
        response = await browser.send(method, path, sent, headers=headers)
        assert response.status == status, response.body
        assert status == 200 or problem(response)[1] == "cross-site"
