"""A paid checkout takes what was bought out of its buyer's basket, once."""

import asyncio
from uuid import UUID

from nextbuy.contracts.values import Role
from tests.callers import account
from tests.order.basket_client import Browser, decoded, header, problem
from tests.order.market import Market
from tests.waiting import all_wait_for_a_lock, until


async def test_paid_units_leave_the_basket_and_others_stay(market: Market, buyer: Browser, mug: UUID) -> None:
    shop = market.shop()
    bowl, lamp = market.product(shop), market.product(shop)
    etag = header(await buyer.put((mug, 3), (bowl, 2), (lamp, 1)), "etag")
    session = await market.create_payment_session((bowl, 4), (mug, 1), by=market.buyer)
    assert await buyer.lines() == [(mug, 3), (bowl, 2), (lamp, 1)]

    await market.deliver(market.paid_event(session))

    assert await buyer.lines() == [(mug, 2), (lamp, 1)]
    assert problem(await buyer.put((mug, 3), if_match=etag)) == (412, "stale")


async def test_payment_that_is_reported_again_takes_nothing_more(market: Market, buyer: Browser, mug: UUID) -> None:
    await buyer.put((mug, 5))
    session = await market.create_payment_session((mug, 2), by=market.buyer)
    event = market.paid_event(session)

    await asyncio.gather(*(market.deliver(event) for _ in range(5)), return_exceptions=True)
    await market.deliver(market.paid_event(session))
    await market.recover()

    assert await buyer.lines() == [(mug, 3)]


async def test_open_checkout_is_in_the_basket_and_its_units_are_available(market: Market, buyer: Browser) -> None:
    lamp = market.product(market.shop(), price=500, stock=3)
    await buyer.put((lamp, 3))
    session = await market.create_payment_session((lamp, 3), by=market.buyer)

    shown = await buyer.get()

    assert [(line["stock"], line["problem"]) for line in shown["lines"]] == [(3, None)]
    assert shown["open_checkout"] == {
        "session_id": str(session.session_id),
        "total": {"amount": 1_500, "currency": "USD"},
        "units": 3,
        "expires_at": shown["open_checkout"]["expires_at"],
        "payment_url": session.payment_url,
        "last_decline": None,
    }
    other = Browser(market, account(Role.BUYER))
    await other.put((lamp, 3))
    assert [line["problem"] for line in (await other.get())["lines"]] == ["sold-out"]
    assert (await other.get())["open_checkout"] is None
    await market.advance_clock(minutes=31)
    assert (await buyer.get())["open_checkout"] is None


async def test_checkout_without_orders_takes_nothing(market: Market, buyer: Browser, mug: UUID) -> None:
    await buyer.put((mug, 5))
    declined = await market.create_payment_session((mug, 1), by=market.buyer)
    await market.deliver(market.provider_event("checkout.session.async_payment_failed", declined.session_id))
    sold_out = await market.create_payment_session((mug, 1), by=market.buyer)
    await market.advance_clock(minutes=31)
    market.stock[mug] = 0
    await market.deliver(market.paid_event(sold_out))
    await market.recover()

    assert await market.status(sold_out.session_id) == "refunded"
    assert await buyer.lines() == [(mug, 5)]


async def test_basket_of_other_accounts_and_guests_stays(
    market: Market, buyer: Browser, guest: Browser, mug: UUID
) -> None:
    other = Browser(market, account(Role.BUYER))
    for browser in (guest, other):
        await browser.put((mug, 1))

    await market.deliver(market.paid_event(await market.create_payment_session((mug, 1), by=market.buyer)))

    assert await guest.lines() == await other.lines() == [(mug, 1)]
    assert await buyer.lines() == []


async def test_units_put_in_while_the_order_is_written_stay(market: Market, buyer: Browser, mug: UUID) -> None:
    bowl = market.product(market.shop())
    await buyer.put((mug, 1))
    session = await market.create_payment_session((mug, 1), by=market.buyer)
    async with market.database.transaction() as tx:
        await tx.execute("SELECT FROM baskets FOR UPDATE")
        paid = asyncio.create_task(market.deliver(market.paid_event(session)))
        await until(lambda: all_wait_for_a_lock(market.database, 1))
        added = asyncio.create_task(buyer.add(mug, 4))
        await until(lambda: all_wait_for_a_lock(market.database, 2))
        lines = '[{"product_id": "%s", "quantity": 2}, {"product_id": "%s", "quantity": 7}]'
        await tx.execute("UPDATE baskets SET lines = $1", lines % (mug, bowl))
    await paid
    decoded(await added)

    assert dict(await buyer.lines()) == {mug: 5, bowl: 7}
