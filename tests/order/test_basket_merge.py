"""At login, the basket of the browser is merged into the buyer's: nothing is lost, and nothing counts twice."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.contracts.values import MAX_LINES, Role
from tests.callers import account
from tests.order.basket_client import Browser, changes, count_baskets, header, problem
from tests.order.market import Market


@pytest.fixture
def bowl(market: Market) -> UUID:
    """Another product."""
    return market.product(market.shop())


async def test_first_request_after_the_login_merges_the_baskets(
    market: Market, buyer: Browser, mug: UUID, bowl: UUID
) -> None:
    third = market.product(market.shop())
    await buyer.put((mug, 2), (bowl, 5))
    browser = Browser(market)
    await browser.put((third, 1), (mug, 3), (bowl, 1))

    browser.by = market.buyer
    cookie = header(await browser.send("GET", "basket"), "set-cookie")

    assert cookie == "nextbuy_basket=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    assert await browser.lines() == [(mug, 3), (bowl, 5), (third, 1)]
    assert await buyer.lines() == await browser.lines()
    assert await count_baskets(market) == 1


async def test_guest_without_lines_makes_no_basket_of_the_buyer(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 1))
    await guest.put()

    guest.by = market.buyer
    assert await guest.lines() == []
    assert guest.token is None
    assert await count_baskets(market) == 0


@pytest.mark.parametrize("own", [True, False])
async def test_twenty_requests_at_once_merge_once(
    market: Market, buyer: Browser, guest: Browser, mug: UUID, bowl: UUID, *, own: bool
) -> None:
    if own:
        await buyer.put((bowl, 4))
    await guest.put((mug, 2), (bowl, 1))
    tabs = [Browser(market, market.buyer) for _ in range(20)]
    for tab in tabs:
        tab.token = guest.token

    seen = await asyncio.gather(*(tab.lines() for tab in tabs))

    expected = {mug: 2, bowl: 4 if own else 1}
    assert all(dict(lines) == expected for lines in seen)
    assert {tab.token for tab in tabs} == {None}
    assert await count_baskets(market) == 1


async def test_additions_and_a_merge_at_once_lose_no_unit(
    market: Market, buyer: Browser, guest: Browser, mug: UUID, bowl: UUID
) -> None:
    await guest.put((bowl, 2))
    tabs = [Browser(market, market.buyer) for _ in range(10)]
    for tab in tabs:
        tab.token = guest.token

    await asyncio.gather(*(tab.add(mug) for tab in tabs))

    assert dict(await buyer.lines()) == {mug: 10, bowl: 2}
    assert await count_baskets(market) == 1


async def test_basket_goes_to_one_of_two_buyers_with_its_cookie(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 2))
    tabs = [Browser(market, account(Role.BUYER)) for _ in range(10)]
    for tab in tabs:
        tab.token = guest.token

    seen = await asyncio.gather(*(tab.lines() for tab in tabs))

    assert sorted(seen) == [*[[]] * 9, [(mug, 2)]]
    assert await count_baskets(market) == 1


async def test_put_of_what_was_shown_before_the_login_is_stale(market: Market, guest: Browser, mug: UUID) -> None:
    etag = header(await guest.put((mug, 2)), "etag")
    guest.by = market.buyer

    assert problem(await guest.put((mug, 5), if_match=etag)) == (412, "stale")
    assert await guest.lines() == [(mug, 2)]


async def test_lines_without_room_wait_in_the_browser_until_there_is_room(market: Market, buyer: Browser) -> None:
    shop = market.shop()
    own = [(market.product(shop), 1) for _ in range(MAX_LINES - 1)]
    fits, waits = market.product(shop), market.product(shop)
    await buyer.put(*own)
    browser = Browser(market)
    await browser.put((fits, 1), (waits, 2))

    browser.by = market.buyer
    for _ in range(2):
        basket = await browser.get()
        assert len(basket["lines"]) == MAX_LINES
        assert changes(basket) == [("basket-full", waits)]
    assert browser.token is not None

    await browser.put(*own[1:])
    assert dict(await browser.lines()) == {**dict(own[1:]), waits: 2}
    assert browser.token is None
    assert await count_baskets(market) == 1


async def test_every_known_cookie_of_a_browser_is_merged(market: Market, mug: UUID, bowl: UUID) -> None:
    first, second = Browser(market), Browser(market)
    await first.put((mug, 1))
    await second.put((bowl, 2))

    browser = Browser(market, market.buyer)
    browser.token = f"{first.token}; nextbuy_basket=planted; nextbuy_basket={second.token}"

    assert dict(await browser.lines()) == {mug: 1, bowl: 2}
    assert await count_baskets(market) == 1


async def test_merged_line_remembers_its_offer(market: Market, guest: Browser, mug: UUID) -> None:
    await guest.put((mug, 2))
    market.stock[mug] = 0

    guest.by = market.buyer
    assert changes(await guest.get()) == [("sold-out", mug)]
