"""Baskets of guests are deleted after 30 days without a change."""

from uuid import UUID

from nextbuy.order.store.baskets import purge_guest_baskets
from tests.order.basket_client import Browser
from tests.order.market import Market


async def let_pass(market: Market, days: int) -> None:
    await market.database.execute("UPDATE baskets SET changed_at = changed_at - make_interval(days => $1)", days)


async def test_guests_lose_their_basket_30_days_after_its_last_change_and_buyers_do_not(
    market: Market, buyer: Browser, guest: Browser, mug: UUID
) -> None:
    changed = Browser(market)
    for browser in (buyer, guest, changed):
        await browser.put((mug, 1))
    await let_pass(market, 29)
    await guest.get()
    await changed.add(mug)
    await purge_guest_baskets(market.database)
    assert await guest.lines() == [(mug, 1)]

    await let_pass(market, 2)
    await purge_guest_baskets(market.database)

    assert await guest.lines() == []
    assert guest.token is None
    assert await changed.lines() == [(mug, 2)]
    assert await buyer.lines() == [(mug, 1)]
