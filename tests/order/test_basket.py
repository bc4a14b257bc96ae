"""The basket of a buyer or a guest: read, replace, add, and what has changed in it."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.contracts.product_offers import GetOffers
from nextbuy.contracts.values import MAX_LINES, MAX_QUANTITY, Price, Role, new_id
from tests.callers import account
from tests.order.basket_client import Browser, changes, count_baskets, decoded, header, problem, units
from tests.order.market import Market

_ID = "0192f0c1-2345-7abc-8def-0123456789ab"


# ── reading ──


async def test_line_has_what_product_says_about_it(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 3))

    [line] = (await guest.get())["lines"]

    assert line == {
        "product_id": str(mug),
        "quantity": 3,
        "title": "Thing",
        "slug": "thing",
        "unit_price": {"amount": 1000, "currency": "USD"},
        "picture": "/product/api/picture/thing",
        "shop_id": str(market.products.products[mug][0]),
        "shop_name": "Shop",
        "shop_slug": "shop",
        "stock": 10,
        "problem": None,
    }


async def test_all_products_are_read_by_one_call(market: Market, guest: Browser) -> None:
    shop = market.shop()
    await guest.put(*((market.product(shop), 1) for _ in range(MAX_LINES)))
    market.calls.made.clear()

    assert len((await guest.get())["lines"]) == MAX_LINES
    assert len(market.calls.made) == 1


async def test_problem_says_why_a_line_cannot_be_bought(market: Market, guest: Browser) -> None:
    shop = market.shop()
    fine, few, none, gone = (market.product(shop, stock=stock) for stock in (2, 2, 2, 2))
    await guest.put((fine, 2), (few, 2), (none, 2), (gone, 2))
    market.stock[few], market.stock[none] = 1, 0
    del market.products.products[gone]

    basket = await guest.get()

    assert [line["problem"] for line in basket["lines"]] == [None, "too-few", "sold-out", "gone"]
    assert changes(basket) == [("too-few", few), ("sold-out", none), ("gone", gone)]
    assert basket["lines"][3]["title"] == "Thing"
    assert basket["lines"][3]["unit_price"] is None


async def test_basket_is_shown_without_its_products_while_product_is_unavailable(
    market: Market, guest: Browser, mug: UUID
) -> None:
    await guest.put((mug, 3))
    market.calls.replies[GetOffers] = ServiceUnavailable("product")

    basket = await guest.get()

    [line] = basket["lines"]
    assert (line["product_id"], line["quantity"]) == (str(mug), 3)
    assert {line[name] for name in ("slug", "unit_price", "picture", "shop_id", "stock", "problem")} == {None}
    assert basket["changes"] == []


# ── changes ──


async def test_new_price_is_a_change_until_the_basket_is_put(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 1))
    market.products.products[mug] = (market.products.products[mug][0], Price(1200))

    for _ in range(2):
        [change] = (await guest.get())["changes"]
        assert change == {
            "code": "price-changed",
            "product_id": str(mug),
            "title": "Thing",
            "old_price": {"amount": 1000, "currency": "USD"},
        }
    assert changes(decoded(await guest.put((mug, 2)))) == [("price-changed", mug)]
    assert (await guest.get())["changes"] == []


async def test_addition_of_another_product_hides_no_change(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 1))
    market.stock[mug] = 0

    await guest.add(market.product(market.shop()))

    assert changes(await guest.get()) == [("sold-out", mug)]


async def test_line_that_was_put_in_sold_out_has_no_change(market: Market, guest: Browser) -> None:
    basket = decoded(await guest.add(market.product(market.shop(), stock=0)))

    assert [line["problem"] for line in basket["lines"]] == ["sold-out"]
    assert basket["changes"] == []


# ── replacing ──


async def test_put_replaces_all_lines_and_adds_up_those_of_one_product(
    market: Market, buyer: Browser, mug: UUID
) -> None:
    bowl = market.product(market.shop())
    await buyer.put((bowl, 5))

    assert units(decoded(await buyer.put((mug, 1), (bowl, 1), (mug, 2)))) == [(mug, 3), (bowl, 1)]
    assert await buyer.lines() == [(mug, 3), (bowl, 1)]
    assert decoded(await buyer.put())["lines"] == []
    assert await buyer.lines() == []


@pytest.mark.parametrize("who", ["buyer", "guest"])
async def test_put_of_another_version_is_stale_and_changes_nothing(
    request: pytest.FixtureRequest, who: str, mug: UUID
) -> None:
    browser: Browser = request.getfixturevalue(who)
    empty = header(await browser.send("GET", "basket"), "etag")
    first = header(await browser.put((mug, 1), if_match=empty), "etag")

    assert problem(await browser.put((mug, 2), if_match=empty)) == (412, "stale")
    assert (await browser.put((mug, 3), if_match=first)).status == 200
    assert problem(await browser.put((mug, 4), if_match=first)) == (412, "stale")
    assert problem(await browser.put((mug, 5), if_match='W/"0"')) == (412, "stale")
    assert problem(await browser.put((mug, 6), if_match="0")) == (400, "if-match-invalid")
    assert await browser.lines() == [(mug, 3)]
    assert (await browser.put((mug, 7), if_match="*")).status == 200
    assert await browser.lines() == [(mug, 7)]


async def test_etag_changes_with_the_products_and_if_match_needs_the_lines_only(
    market: Market, buyer: Browser, mug: UUID
) -> None:
    etag = header(await buyer.put((mug, 1)), "etag")
    unchanged = await buyer.send("GET", "basket", headers={"if-none-match": etag})
    market.stock[mug] = 9
    changed = await buyer.send("GET", "basket", headers={"if-none-match": etag})

    assert (unchanged.status, changed.status) == (304, 200)
    assert header(changed, "etag") == f'"{decoded(changed)["version"]}"' != etag
    assert (await buyer.put((mug, 2), if_match=etag)).status == 200


async def test_two_puts_of_one_version_at_once_store_one(market: Market, buyer: Browser, mug: UUID) -> None:
    etag = header(await buyer.put((mug, 1)), "etag")

    statuses = [
        response.status
        for response in await asyncio.gather(*(buyer.put((mug, quantity), if_match=etag) for quantity in range(2, 12)))
    ]

    assert sorted(statuses) == [200, *[412] * 9]
    [(_, quantity)] = await buyer.lines()
    assert quantity == statuses.index(200) + 2


# ── adding ──


async def test_additions_at_once_add_up(market: Market, buyer: Browser, mug: UUID) -> None:
    bowl = market.product(market.shop())

    responses = await asyncio.gather(*(buyer.add(product) for product in [mug, bowl] * 10))

    assert {line["problem"] for response in responses for line in decoded(response)["lines"]} == {None}
    assert dict(await buyer.lines()) == {mug: 10, bowl: 10}
    assert await count_baskets(market) == 1


@pytest.mark.parametrize("who", ["buyer", "guest"])
async def test_same_idempotency_key_adds_once(
    request: pytest.FixtureRequest, market: Market, who: str, mug: UUID
) -> None:
    browser: Browser = request.getfixturevalue(who)
    first = await browser.add(mug, 2, key="k1")
    token, browser.token = browser.token, None if who == "guest" else browser.token
    again = await browser.add(mug, 2, key="k1")

    assert (again.body, browser.token) == (first.body, token)
    assert ("idempotency-replayed", "true") in again.headers
    assert await browser.lines() == [(mug, 2)]
    assert await count_baskets(market) == 1


async def test_addition_beyond_the_limits_is_refused_with_what_is_left(
    market: Market, buyer: Browser, mug: UUID
) -> None:
    shop = market.shop()
    lines = [(market.product(shop), 1) for _ in range(MAX_LINES - 1)]
    await buyer.put((mug, MAX_QUANTITY - 1), *lines)

    too_many = await buyer.add(mug, 2)
    full = await buyer.add(market.product(shop))

    assert (problem(too_many), problem(full)) == ((409, "quantity-limit"), (409, "basket-full"))
    assert b"1,000 units of a product, and yours has 999" in too_many.body
    assert f"has {MAX_LINES} products".encode() in full.body
    assert (await buyer.add(mug)).status == 200
    assert await buyer.lines() == [(mug, MAX_QUANTITY), *lines]


@pytest.mark.parametrize(
    "body",
    [{}, {"product_id": "x", "quantity": 1}]
    + [{"product_id": _ID, "quantity": quantity} for quantity in (0, -1, 1.5, MAX_QUANTITY + 1, 2**70, "1")],
    ids=repr,
)
async def test_invalid_addition_is_unprocessable(buyer: Browser, body: object) -> None:
    assert (await buyer.send("POST", "add-to-basket", body)).status == 422
    assert await buyer.lines() == []


async def test_basket_beyond_the_limits_is_unprocessable(market: Market, buyer: Browser, mug: UUID) -> None:
    too_many_units = await buyer.put((mug, MAX_QUANTITY), (mug, 1))
    too_many_lines = await buyer.put(*((market.product(market.shop()), 1) for _ in range(MAX_LINES + 1)))

    assert problem(too_many_units) == (422, "too-many-units")
    assert problem(too_many_lines) == (422, "unprocessable")
    assert await buyer.lines() == []


# ── products that do not exist ──


async def test_unknown_product_cannot_be_put_in(buyer: Browser, mug: UUID) -> None:
    assert problem(await buyer.add(new_id())) == (404, "product-not-found")
    refused = await buyer.put((mug, 1), (new_id(), 1))

    assert problem(refused) == (404, "product-not-found")
    assert msgspec.json.decode(refused.body)["errors"][0]["field"] == "lines[1].product_id"
    assert await buyer.lines() == []


async def test_line_of_a_product_that_is_gone_may_stay_and_be_removed(
    market: Market, buyer: Browser, mug: UUID
) -> None:
    bowl = market.product(market.shop())
    await buyer.put((mug, 1), (bowl, 1))
    del market.products.products[mug]

    assert problem(await buyer.add(mug)) == (404, "product-not-found")
    assert units(decoded(await buyer.put((mug, 1), (bowl, 2)))) == [(mug, 1), (bowl, 2)]
    assert units(decoded(await buyer.put((bowl, 2)))) == [(bowl, 2)]


async def test_unknown_product_that_came_in_while_product_was_unavailable_is_gone(
    market: Market, buyer: Browser
) -> None:
    honest = market.calls.replies[GetOffers]
    market.calls.replies[GetOffers] = ServiceUnavailable("product")
    assert (await buyer.add(new_id())).status == 200
    market.calls.replies[GetOffers] = honest

    basket = await buyer.get()

    assert [(line["problem"], line["title"]) for line in basket["lines"]] == [("gone", None)]
    assert basket["changes"] == []


# ── owners ──


async def test_each_owner_has_a_basket_of_its_own(market: Market, buyer: Browser, guest: Browser, mug: UUID) -> None:
    others = [Browser(market), Browser(market, account(Role.BUYER))]
    for quantity, browser in enumerate([buyer, guest, *others], 1):
        await browser.add(mug, quantity)

    assert [await browser.lines() for browser in [buyer, guest, *others]] == [[(mug, n)] for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("role", [Role.SELLER, Role.ADMIN])
async def test_sellers_and_admins_use_the_basket_of_the_browser(market: Market, role: Role, mug: UUID) -> None:
    browser = Browser(market, account(role))
    await browser.add(mug, 2)
    assert browser.token is not None

    browser.by = None
    assert await browser.lines() == [(mug, 2)]
    browser.by, browser.token = account(role), None
    assert await browser.lines() == []


async def test_invalid_token_is_refused_and_no_guest(market: Market, guest: Browser, mug: UUID) -> None:
    headers = {"authorization": "Bearer expired"}
    for method, path, body in (
        ("GET", "basket", None),
        ("PUT", "basket", {"lines": []}),
        ("POST", "add-to-basket", {"product_id": str(mug), "quantity": 1}),
    ):
        assert (await guest.send(method, path, body, headers=headers)).status == 401
    assert await count_baskets(market) == 0


async def test_change_by_the_cookie_of_an_account_needs_the_csrf_token(market: Market, guest: Browser) -> None:
    refused = await guest.send("PUT", "basket", {"lines": []}, headers={"cookie": "nextbuy_access=x"})

    assert problem(refused) == (403, "csrf")
