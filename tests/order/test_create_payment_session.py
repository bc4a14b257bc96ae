"""A basket on its way to be paid."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import BadGateway, Conflict, Forbidden, NotFound, Unavailable, Unprocessable
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import HoldStock, Line, ProductsValidated, ReleaseStock, ValidateProducts
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened
from nextbuy.contracts.values import Money, ShopStatus, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.observability import telemetry
from tests.order.market import Market

SALE_ENDS = timedelta(minutes=30)


async def test_a_basket_is_priced_by_its_owners_and_held_until_it_expires(market: Market) -> None:
    shop = market.shop()
    mug, bowl = market.product(shop, price=1999), market.product(shop, price=500)
    session = await market.basket((mug, 2), (bowl, 1), (mug, 1))
    assert session.status == "open"
    assert session.total == Money(3 * 1999 + 500)
    assert [(line.product_id, line.quantity, line.shop_id) for line in session.lines] == [
        (mug, 3, shop),
        (bowl, 1, shop),
    ]
    assert session.expires_at == market.now + SALE_ENDS
    assert session.payment_url == market.opened[session.session_id].url
    assert market.held == {session.session_id: {mug: 3, bowl: 1}}
    [payment] = market.calls.of_type(OpenPayment)
    assert (payment.reference, payment.amount) == (session.session_id, session.total)
    assert payment.expires_at == session.expires_at
    assert await market.status(session.session_id) == "open"


async def test_who_is_not_known_or_suspended_asks_nobody_else(market: Market) -> None:
    market.calls.replies[ValidateUser] = Forbidden("suspended", slug="suspended")
    with pytest.raises(Forbidden):
        await market.basket((market.product(market.shop()), 1))
    assert len(market.calls.made) == 1


@pytest.mark.parametrize("status", ["pending", "rejected", "suspended"])
async def test_a_basket_with_a_line_of_a_closed_shop_is_refused_whole(market: Market, status: ShopStatus) -> None:
    good, closed = market.product(market.shop()), market.product(market.shop(status))
    with pytest.raises(Conflict) as refusal:
        await market.basket((good, 1), (closed, 1))
    assert refusal.value.slug == "shop-closed"
    assert not market.held
    assert await market.database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_a_basket_with_a_sold_out_line_is_refused_whole(market: Market) -> None:
    with pytest.raises(Conflict) as refusal:
        await market.basket((market.product(market.shop()), 1), (market.product(market.shop()), 11))
    assert refusal.value.slug == "sold-out"
    with pytest.raises(NotFound):
        await market.basket((new_id(), 1))


async def test_fifty_buyers_at_once_for_a_stock_of_ten_get_ten_sessions(market: Market) -> None:
    product = market.product(market.shop())
    market.calls.replies[ValidateProducts] = lambda call: ProductsValidated(
        [market.priced(line) for line in call.lines]
    )
    results = await asyncio.gather(*(market.basket((product, 1)) for _ in range(50)), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert len(refusals) == 40
    assert {getattr(refusal, "slug", refusal) for refusal in refusals} == {"sold-out"}
    await market.time_passes(seconds=1)
    assert (market.stock[product], len(market.held)) == (0, 10)
    assert not market.calls.of_type(ReleaseStock)
    await market.check_books(money_for=set())
    await market.time_passes(minutes=31)
    assert market.stock[product] == 10
    await market.check_books(money_for=set())


@pytest.mark.parametrize("kind", [HoldStock, OpenPayment])
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
async def test_where_a_needed_service_is_away_nothing_stays_held(
    market: Market, kind: type[Call[Any]], *, done: bool
) -> None:
    product = market.product(market.shop())

    def away() -> None:
        raise Unavailable("away", retry_after=1)

    def spoil(call: Call[Any]) -> Callable[[], None] | None:
        if type(call) is kind:
            if done:
                return away
            away()
        return None

    market.spoil = spoil
    with pytest.raises(Unavailable):
        await market.basket((product, 3))
    await market.time_passes(seconds=1)
    assert market.stock[product] == 10
    assert await market.database.fetchval("SELECT status FROM sessions") == "failed"
    await market.check_books(money_for=set())


async def test_a_session_that_took_too_long_to_open_is_refused_and_gives_back(market: Market) -> None:
    product = market.product(market.shop())
    usual = market.calls.replies[OpenPayment]

    async def slow(call: OpenPayment) -> object:
        await market.time_passes(minutes=2)
        assert callable(usual)
        return usual(call)

    market.calls.replies[OpenPayment] = slow
    with pytest.raises(Conflict) as refusal:
        await market.basket((product, 3))
    assert refusal.value.slug == "session-expired"
    assert market.stock[product] == 10
    await market.check_books(money_for=set())


async def test_money_that_comes_before_the_page_was_written_down_still_gets_its_goods(market: Market) -> None:
    usual = market.calls.replies[OpenPayment]

    async def quick(call: OpenPayment) -> PaymentOpened:
        assert callable(usual)
        opened: PaymentOpened = usual(call)
        await market.tell(market.event("checkout.session.completed", call.reference, amount_total=call.amount.amount))
        return opened

    market.calls.replies[OpenPayment] = quick
    with pytest.raises(Conflict):
        await market.basket((market.product(market.shop()), 3))
    [(session_id, opened)] = market.opened.items()
    assert await market.status(session_id) == "paid"
    await market.check_books(money_for={opened.payment_id})


async def test_a_price_for_another_basket_than_ours_is_no_answer(market: Market) -> None:
    product = market.product(market.shop())
    market.calls.replies[ValidateProducts] = lambda _: ProductsValidated([market.priced(Line(product, 1))])
    with pytest.raises(BadGateway):
        await market.basket((product, 2))
    assert not market.held


async def test_a_product_named_twice_cannot_be_bought_beyond_the_limit(market: Market) -> None:
    product = market.product(market.shop())
    with pytest.raises(Unprocessable):
        await market.basket((product, 600), (product, 600))


async def test_what_is_said_later_is_said_in_the_trace_of_the_purchase(market: Market) -> None:
    trace = telemetry.start_span(request_id="my-purchase")
    with telemetry.use_span(trace):
        await market.basket((market.product(market.shop()), 1))
    await market.time_passes(minutes=31)
    envelope = await market.database.fetchval("SELECT envelope FROM event_log")
    assert trace.trace_id in envelope
    assert '"correlation_id":"my-purchase"' in envelope


async def test_a_shorter_session_is_a_setting(market: Market) -> None:
    settings = Settings(secret=b"0123456789abcdef", session_minutes=0.05)
    market.order = replace(market.order, settings=settings)
    session = await market.basket((market.product(market.shop()), 1))
    assert session.expires_at == market.now + timedelta(seconds=3)
    await market.time_passes(seconds=4)
    assert await market.status(session.session_id) == "expired"
