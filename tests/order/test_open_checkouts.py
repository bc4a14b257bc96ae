"""One open checkout per buyer: it is shown, cancelled, or replaced by the next, and its units are never lost."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.order import LastDecline, Reason
from nextbuy.contracts.product import HoldStock, ReleaseStock, ValidateProducts
from nextbuy.contracts.simulator import ClosePayment, OpenPayment
from nextbuy.contracts.values import Role
from nextbuy.order.cancel_payment_session import cancel_payment_session
from nextbuy.order.model import NoOpenSession
from nextbuy.order.open_payment_session import OpenPaymentSession, open_payment_session
from nextbuy.order.shown_session import PaymentSession, PaymentSessionRequest
from tests.callers import account, caller
from tests.order.crash_points import Crash
from tests.order.market import Market
from tests.outbox import published


async def cancel(market: Market, session_id: UUID) -> PaymentSession:
    return await cancel_payment_session(market.deps, caller(market.buyer), PaymentSessionRequest(session_id))


async def shown(market: Market) -> OpenPaymentSession | None:
    try:
        return await open_payment_session(market.deps, caller(market.buyer))
    except NoOpenSession:
        return None


async def topics(market: Market) -> list[str]:
    return [one.type for one in await published(market.database)]


async def test_open_checkout_is_shown_to_its_buyer_until_it_expires(market: Market) -> None:
    assert await shown(market) is None
    session = await market.create_payment_session((market.product(market.shop(), price=700), 2))

    found = await shown(market)

    assert found is not None
    assert (found.session_id, found.status, found.total) == (session.session_id, "open", session.total)
    assert (found.payment_url, found.expires_at) == (session.payment_url, session.expires_at)
    assert [(one.title, one.quantity, one.unit_price.amount) for one in found.lines] == [("Thing", 2, 700)]
    assert found.last_decline is None
    market.now = session.expires_at
    assert await shown(market) is None
    market.buyer = account(Role.BUYER)
    assert await shown(market) is None


async def test_declined_card_leaves_the_checkout_open_until_another_is_accepted(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))
    for code, error in (
        ("insufficient_funds", {"code": "card_declined", "decline_code": "insufficient_funds"}),
        ("card_declined", {"code": "card_declined", "decline_code": "NOT A CODE"}),
        ("declined", {"code": 5}),
    ):
        market.now += timedelta(seconds=1)
        event = market.provider_event(
            "payment_intent.payment_failed", session.session_id, last_payment_error={"message": "No.", **error}
        )
        for _ in range(2):
            await market.deliver(event)
        found = await shown(market)
        assert found is not None
        assert (found.session_id, found.last_decline) == (session.session_id, LastDecline(code, market.now))
    assert await market.status(session.session_id) == "open"
    assert market.held == {session.session_id: {product: 3}}
    assert (await topics(market)).count("payment.declined") == 3

    await market.deliver(market.paid_event(session))

    assert await market.status(session.session_id) == "paid"
    await market.deliver(market.provider_event("payment_intent.payment_failed", session.session_id))
    assert await market.status(session.session_id) == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_declined_checkout_expires_and_releases_its_units(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))
    await market.deliver(market.provider_event("payment_intent.payment_failed", session.session_id))
    await market.advance_clock(minutes=31)
    assert await market.status(session.session_id) == "expired"
    assert (market.stock[product], market.held) == (10, {})


async def test_cancelled_checkout_releases_its_units_at_once(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))

    cancelled = await cancel(market, session.session_id)

    assert (cancelled.status, cancelled.order_ids) == ("cancelled", [])
    assert (market.stock[product], market.held) == (10, {})
    assert market.closed == {market.payment_id(session)}
    assert await shown(market) is None
    assert (await topics(market))[-2:] == ["payment-session.cancelled", "payment-session.hold-released"]
    assert (await cancel(market, session.session_id)).status == "cancelled"
    assert len(market.calls.of_type(ClosePayment)) == 1
    await market.advance_clock(minutes=31)
    assert await market.status(session.session_id) == "cancelled"
    await market.assert_reconciled(payments=set())


async def test_checkout_of_another_buyer_cannot_be_cancelled(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    market.buyer = account(Role.BUYER)
    with pytest.raises(NotFound):
        await cancel(market, session.session_id)
    assert await market.status(session.session_id) == "open"
    assert not market.closed


async def test_payment_is_closed_before_anything_changes(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    market.calls.replies[ClosePayment] = Unavailable("unavailable")
    with pytest.raises(Unavailable):
        await cancel(market, session.session_id)
    with pytest.raises(Unavailable):
        await market.create_payment_session((market.product(market.shop()), 1), by=market.buyer)
    assert await market.status(session.session_id) == "open"
    assert set(market.held) == {session.session_id}


@pytest.mark.parametrize("reported", [False, True], ids=["not reported yet", "reported"])
async def test_paid_checkout_is_not_cancelled(market: Market, *, reported: bool) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    market.paid.add(market.payment_id(session))
    if reported:
        await market.deliver(market.paid_event(session))
    with pytest.raises(Conflict) as error:
        await cancel(market, session.session_id)
    assert error.value.slug == "already-paid"
    orders = await market.database.fetch("SELECT id FROM orders")
    assert [(one.field, one.message) for one in error.value.errors or []] == [
        ("order_ids", str(row["id"])) for row in orders
    ]
    assert len(orders) == reported
    if not reported:
        with pytest.raises(Conflict) as error:
            await market.create_payment_session((market.product(market.shop()), 3), by=market.buyer)
        assert error.value.slug == "already-paid"
        await market.deliver(market.paid_event(session))
    assert await market.status(session.session_id) == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_payment_of_a_cancelled_checkout_is_refunded_even_if_stock_is_left(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))
    await cancel(market, session.session_id)

    for _ in range(2):
        await market.deliver(market.paid_event(session))
    await market.recover()

    assert await market.status(session.session_id) == "cancelled"
    assert (market.stock[product], market.sold) == (10, {})
    assert set(market.refunds) == {market.payment_id(session)}
    refunded = [one for one in await published(market.database) if one.type == "payment.refunded"]
    assert len(refunded) == 1
    assert f'"reason":"{Reason.CANCELLED}"'.encode() in bytes(refunded[0].data)
    assert str(market.buyer.id).encode() in bytes(refunded[0].data)


async def test_next_checkout_replaces_the_open_one_and_gets_its_units(market: Market) -> None:
    product = market.product(market.shop())
    first = await market.create_payment_session((product, 9))

    second = await market.create_payment_session((product, 10), by=market.buyer)

    assert await market.status(first.session_id) == "cancelled"
    assert market.closed == {market.payment_id(first)}
    assert market.held == {second.session_id: {product: 10}}
    found = await shown(market)
    assert found is not None
    assert found.session_id == second.session_id
    replaced = [one for one in await published(market.database) if one.type == "payment-session.cancelled"]
    assert [one.key for one in replaced] == [str(first.session_id)]
    assert (await topics(market)).count("payment-session.hold-released") == 1
    await market.advance_clock(seconds=1)
    assert market.held == {second.session_id: {product: 10}}
    await market.assert_reconciled(payments=set())


async def test_checkout_that_cannot_be_priced_leaves_the_open_one(market: Market) -> None:
    product = market.product(market.shop(), stock=9)
    session = await market.create_payment_session((product, 9))
    with pytest.raises(Conflict) as error:
        await market.create_payment_session((product, 10), by=market.buyer)
    assert error.value.slug == "sold-out"
    assert await market.status(session.session_id) == "open"
    assert not market.closed


@pytest.mark.parametrize("failing", [HoldStock, OpenPayment, ReleaseStock])
async def test_units_of_a_replaced_checkout_are_released_if_the_next_fails(
    market: Market, failing: type[Call[object]]
) -> None:
    product = market.product(market.shop())
    first = await market.create_payment_session((product, 9))
    usual = market.calls.replies[failing]
    market.calls.replies[failing] = Unavailable("unavailable")
    if failing is ReleaseStock:
        await market.create_payment_session((product, 10), by=market.buyer)
    else:
        with pytest.raises(Unavailable):
            await market.create_payment_session((product, 10), by=market.buyer)
    market.calls.replies[failing] = usual

    await market.advance_clock(minutes=31)

    assert await market.status(first.session_id) == "cancelled"
    assert (market.stock[product], market.held) == (10, {})
    await market.assert_reconciled(payments=set())


async def test_crash_between_replacing_and_holding_loses_no_unit(market: Market) -> None:
    product = market.product(market.shop())
    await market.create_payment_session((product, 9))

    def crash(call: Call[object]) -> None:
        if isinstance(call, HoldStock | ReleaseStock):
            raise Crash

    market.before_call = crash
    with pytest.raises(Crash):
        await market.create_payment_session((product, 10), by=market.buyer)
    market.before_call = lambda _: None
    await market.advance_clock(minutes=2)
    assert (market.stock[product], market.held) == (10, {})
    await market.assert_reconciled(payments=set())


@pytest.mark.parametrize("first", [False, True], ids=["nothing is open", "one is open"])
async def test_of_two_starts_at_once_one_wins(market: Market, *, first: bool) -> None:
    product = market.product(market.shop())
    if first:
        await market.create_payment_session((product, 5))
    starting, usual = asyncio.Barrier(4), market.calls.replies[ValidateProducts]

    async def price_together(call: ValidateProducts) -> object:
        await starting.wait()
        assert callable(usual)
        return usual(call)

    market.calls.replies[ValidateProducts] = price_together
    results = await asyncio.gather(
        *(market.create_payment_session((product, 6), by=market.buyer) for _ in range(4)), return_exceptions=True
    )
    errors = [one for one in results if isinstance(one, BaseException)]
    assert len(errors) == 3
    assert {getattr(one, "slug", one) for one in errors} == {"in-progress"}
    assert all(getattr(one, "retry_after", 0) for one in errors)
    await market.advance_clock(seconds=1)
    assert [sum(one.values()) for one in market.held.values()] == [6]
    await market.assert_reconciled(payments=set())


async def test_start_and_cancellation_wait_for_a_checkout_that_is_opening(market: Market) -> None:
    product = market.product(market.shop())
    usual = market.calls.replies[OpenPayment]
    slugs = []

    async def open_slowly(call: OpenPayment) -> object:
        for act in (market.create_payment_session((product, 1), by=market.buyer), cancel(market, call.reference)):
            with pytest.raises(Conflict) as error:
                await act
            slugs.append(error.value.slug)
        assert callable(usual)
        return usual(call)

    market.calls.replies[OpenPayment] = open_slowly
    session = await market.create_payment_session((product, 3))
    assert slugs == ["in-progress", "in-progress"]
    assert market.held == {session.session_id: {product: 3}}


async def test_failed_and_expired_checkouts_need_no_cancellation(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    await market.advance_clock(minutes=31)
    assert (await cancel(market, session.session_id)).status == "expired"
    assert not market.calls.of_type(ClosePayment)
