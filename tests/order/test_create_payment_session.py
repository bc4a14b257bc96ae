"""Checking out a basket: prices, held stock, and the payment page."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nextbuy.auth.model import Suspended
from nextbuy.contracts.auth import ValidateUser
from nextbuy.contracts.errors import Conflict, Forbidden, NotFound, Unavailable, Unprocessable
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import HoldStock, ProductsValidated, ReleaseStock, ValidateProducts
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened
from nextbuy.contracts.values import Money, ShopStatus, new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.observability import telemetry
from tests.order.market import Market
from tests.outbox import published

SESSION_DURATION = timedelta(minutes=30)


async def test_basket_is_priced_and_held_until_the_session_expires(market: Market) -> None:
    shop = market.shop()
    mug, bowl = market.product(shop, price=1999), market.product(shop, price=500)
    session = await market.create_payment_session((mug, 2), (bowl, 1), (mug, 1))
    assert session.status == "open"
    assert session.total == Money(3 * 1999 + 500)
    assert [(line.product_id, line.quantity, line.shop_id) for line in session.lines] == [
        (mug, 3, shop),
        (bowl, 1, shop),
    ]
    assert session.expires_at == market.now + SESSION_DURATION
    assert session.payment_url == market.opened[session.session_id].url
    assert market.held == {session.session_id: {mug: 3, bowl: 1}}
    [payment] = market.calls.of_type(OpenPayment)
    assert (payment.reference, payment.amount) == (session.session_id, session.total)
    assert payment.expires_at == session.expires_at
    assert await market.status(session.session_id) == "open"


async def test_suspended_buyer_causes_no_further_calls(market: Market) -> None:
    market.calls.replies[ValidateUser] = Suspended()
    with pytest.raises(Forbidden):
        await market.create_payment_session((market.product(market.shop()), 1))
    assert len(market.calls.made) == 1


@pytest.mark.parametrize("status", ["pending", "rejected", "suspended"])
async def test_line_of_a_closed_shop_refuses_the_whole_basket(market: Market, status: ShopStatus) -> None:
    good, closed = market.product(market.shop()), market.product(market.shop(status))
    with pytest.raises(Conflict) as error:
        await market.create_payment_session((good, 1), (closed, 1))
    assert error.value.slug == "shop-closed"
    assert not market.held
    assert await market.database.fetchval("SELECT count(*) FROM sessions") == 0


async def test_sold_out_line_refuses_the_whole_basket(market: Market) -> None:
    with pytest.raises(Conflict) as error:
        await market.create_payment_session(
            (market.product(market.shop()), 1), (market.product(market.shop(), stock=1), 2)
        )
    assert error.value.slug == "sold-out"
    with pytest.raises(NotFound):
        await market.create_payment_session((new_id(), 1))


async def test_fifty_concurrent_buyers_of_ten_units_get_ten_sessions(market: Market) -> None:
    product = market.product(market.shop())
    market.calls.replies[ValidateProducts] = lambda call: ProductsValidated(
        [market.products.priced(line) for line in call.lines]
    )
    results = await asyncio.gather(
        *(market.create_payment_session((product, 1)) for _ in range(50)), return_exceptions=True
    )
    errors = [result for result in results if isinstance(result, BaseException)]
    assert len(errors) == 40
    assert {getattr(error, "slug", error) for error in errors} == {"sold-out"}
    await market.advance_clock(seconds=1)
    assert (market.stock[product], len(market.held)) == (0, 10)
    assert not market.calls.of_type(ReleaseStock)
    await market.assert_reconciled(payments=set())
    await market.advance_clock(minutes=31)
    assert market.stock[product] == 10
    await market.assert_reconciled(payments=set())


@pytest.mark.parametrize("kind", [HoldStock, OpenPayment])
@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
async def test_nothing_stays_held_if_a_needed_service_is_unavailable(
    market: Market, kind: type[Call[Any]], *, done: bool
) -> None:
    product = market.product(market.shop())

    def fail() -> None:
        raise Unavailable("unavailable", retry_after=1)

    def fail_once(call: Call[Any]) -> Callable[[], None] | None:
        if type(call) is kind:
            if done:
                return fail
            fail()
        return None

    market.before_call = fail_once
    with pytest.raises(Unavailable):
        await market.create_payment_session((product, 3))
    await market.advance_clock(seconds=1)
    assert market.stock[product] == 10
    assert await market.database.fetchval("SELECT status FROM sessions") == "failed"
    await market.assert_reconciled(payments=set())


async def test_session_that_expires_while_opening_is_refused_and_releases_its_stock(market: Market) -> None:
    product = market.product(market.shop())
    usual = market.calls.replies[OpenPayment]

    async def slow(call: OpenPayment) -> object:
        await market.advance_clock(minutes=2)
        assert callable(usual)
        return usual(call)

    market.calls.replies[OpenPayment] = slow
    with pytest.raises(Conflict) as error:
        await market.create_payment_session((product, 3))
    assert error.value.slug == "session-expired"
    assert market.stock[product] == 10
    await market.assert_reconciled(payments=set())


async def test_payment_before_the_payment_page_is_stored_gets_its_order(market: Market) -> None:
    usual = market.calls.replies[OpenPayment]

    async def quick(call: OpenPayment) -> PaymentOpened:
        assert callable(usual)
        opened: PaymentOpened = usual(call)
        await market.deliver(
            market.provider_event("checkout.session.completed", call.reference, amount_total=call.amount.amount)
        )
        return opened

    market.calls.replies[OpenPayment] = quick
    with pytest.raises(Conflict):
        await market.create_payment_session((market.product(market.shop()), 3))
    [(session_id, opened)] = market.opened.items()
    assert await market.status(session_id) == "paid"
    await market.assert_reconciled(payments={opened.payment_id})


async def test_product_in_two_lines_cannot_exceed_the_limit(market: Market) -> None:
    product = market.product(market.shop())
    with pytest.raises(Unprocessable):
        await market.create_payment_session((product, 600), (product, 600))


async def test_later_events_are_in_the_trace_of_the_checkout(market: Market) -> None:
    span = telemetry.start_span(request_id="my-purchase")
    with telemetry.use_span(span):
        await market.create_payment_session((market.product(market.shop()), 1))

    await market.advance_clock(minutes=31)

    expired = next(one for one in await published(market.database) if one.type == "payment-session.expired")
    assert span.trace_id in expired.traceparent
    assert expired.correlation_id == "my-purchase"


async def test_session_duration_is_a_setting(market: Market) -> None:
    settings = Settings(secret=b"0123456789abcdef", session_minutes=0.05)
    market.deps = replace(market.deps, settings=settings)
    session = await market.create_payment_session((market.product(market.shop()), 1))
    assert session.expires_at == market.now + timedelta(seconds=3)
    await market.advance_clock(seconds=4)
    assert await market.status(session.session_id) == "expired"
