"""Reads of sessions, orders and timelines, and who may see them."""

from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.values import Money, PageRequest, Role, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.order.history import EVENTS
from nextbuy.order.order_details import OrderRequest, order_details
from nextbuy.order.order_timeline import TITLES, TimelineRequest, order_timeline
from nextbuy.order.payment_session import payment_session
from nextbuy.order.seller_orders import seller_orders
from nextbuy.order.shown_session import PaymentSessionRequest
from nextbuy.order.user_orders import user_orders
from tests.callers import account, caller
from tests.order.market import Market


def seller_of(market: Market, shop: object) -> Account:
    return next(account(Role.SELLER, account_id=known.seller_id) for known in market.shops.values() if known.id == shop)


async def test_session_and_its_orders_are_visible_to_the_buyer_only(market: Market) -> None:
    first, second = market.shop(), market.shop()
    session = await market.create_payment_session((market.product(first), 1), (market.product(second), 1))
    request = PaymentSessionRequest(session_id=session.session_id)
    seen = await payment_session(market.deps, caller(market.buyer), request)
    assert (seen.status, seen.total, seen.order_ids) == ("open", session.total, [])
    await market.deliver(market.paid_event(session))
    seen = await payment_session(market.deps, caller(market.buyer), request)
    assert (seen.status, len(seen.order_ids)) == ("paid", 2)
    for other in (account(Role.BUYER), account(Role.ADMIN)):
        with pytest.raises(NotFound):
            await payment_session(market.deps, caller(other), request)
    with pytest.raises(NotFound):
        await payment_session(market.deps, caller(market.buyer), PaymentSessionRequest(session_id=new_id()))


async def test_order_is_visible_to_its_buyer_its_seller_and_admins_only(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug = market.product(first, price=250)
    session = await market.create_payment_session((mug, 2), (market.product(second), 1))
    await market.deliver(market.paid_event(session))
    ids = (
        await payment_session(market.deps, caller(market.buyer), PaymentSessionRequest(session_id=session.session_id))
    ).order_ids
    request = OrderRequest(order_id=ids[0])
    for who in (market.buyer, seller_of(market, first), account(Role.ADMIN)):
        order = (await order_details(market.deps, caller(who), request)).order
        assert (order.id, order.session_id, order.shop_id) == (ids[0], session.session_id, first)
        assert (order.status, order.total.amount) == ("paid", 500)
        assert [(line.product_id, line.quantity, line.unit_price.amount) for line in order.lines] == [(mug, 2, 250)]
    for who in (account(Role.BUYER), seller_of(market, second), account(Role.SELLER)):
        with pytest.raises(NotFound, match="Order not found"):
            await order_details(market.deps, caller(who), request)
    with pytest.raises(NotFound):
        await order_details(market.deps, caller(market.buyer), OrderRequest(order_id=new_id()))


async def test_order_lists_are_paged_newest_first_and_hold_own_orders_only(market: Market) -> None:
    shop = market.shop()
    for _ in range(5):
        session = await market.create_payment_session((market.product(shop), 1), by=market.buyer)
        await market.deliver(market.paid_event(session))
    for who, listed in ((market.buyer, user_orders), (seller_of(market, shop), seller_orders)):
        page = await listed(market.deps, caller(who), PageRequest(limit=2))
        items = list(page.items)
        while page.next_cursor is not None:
            page = await listed(market.deps, caller(who), PageRequest(limit=2, cursor=page.next_cursor))
            items += page.items
        assert len({item.id for item in items}) == 5
        assert [item.id for item in items] == sorted((item.id for item in items), reverse=True)
        assert {(item.shop_id, item.status, item.total.amount) for item in items} == {(shop, "paid", 1000)}
        assert (await listed(market.deps, caller(account(Role.SELLER)), PageRequest())).items == []
        with pytest.raises(Unprocessable) as error:
            await listed(market.deps, caller(who), PageRequest(cursor="x"))
        assert error.value.slug == "invalid-cursor"


async def order_ids(market: Market, session_id: UUID) -> list[UUID]:
    return (
        await payment_session(market.deps, caller(market.buyer), PaymentSessionRequest(session_id=session_id))
    ).order_ids


async def test_timeline_shows_all_events_of_an_order_in_order(market: Market) -> None:
    market.deps = replace(market.deps, clock=utc_now)
    first, second = market.shop(), market.shop()
    session = await market.create_payment_session((market.product(first, price=250), 2), (market.product(second), 1))
    await market.deliver(market.provider_event("checkout.session.async_payment_failed", session.session_id))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.paid_event(session, id="pay_again"))
    await market.recover()
    request = TimelineRequest(order_id=(await order_ids(market, session.session_id))[0])
    items = (await order_timeline(market.deps, caller(market.buyer), request)).items
    assert [item.title for item in items] == [
        "Checkout started",
        "Payment page opened",
        "Payment failed",
        "Units released",
        "Payment received",
        "Checkout completed",
        "Order placed",
        "Order paid",
        "Refund due",
        "Payment refunded",
    ]
    assert [item.at for item in items] == sorted(item.at for item in items)
    started, declined, received, placed, refund_due = items[0], items[2], items[4], items[6], items[8]
    assert started.details.pay_until == session.expires_at
    assert [line.quantity for line in started.details.lines] == [2, 1]
    assert declined.details.reason == "The card was declined."
    assert received.details.total == session.total
    assert placed.details.total == Money(500)
    assert refund_due.details.reason == "No open checkout matches this payment."
    assert {(item.correlation_id, item.trace_id) for item in items} == {(None, None)}


async def test_timeline_of_a_seller_hides_other_shops_and_the_payment(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug, secret = market.product(first, price=250), market.product(second, price=77_777)
    session = await market.create_payment_session((mug, 2), (secret, 1))
    await market.deliver(market.provider_event("checkout.session.async_payment_failed", session.session_id))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.paid_event(session, id="pay_again"))
    await market.recover()
    orders = await order_ids(market, session.session_id)
    request = TimelineRequest(order_id=orders[0])
    timeline = await order_timeline(market.deps, caller(seller_of(market, first)), request)
    assert [item.title for item in timeline.items] == [
        "Checkout started",
        "Payment received",
        "Checkout completed",
        "Order placed",
        "Order paid",
    ]
    text = msgspec.json.encode(timeline).decode()
    for word in (str(secret), str(second), str(orders[1]), "77777", "78277", "declined", "pay_again"):
        assert word not in text
    assert {item.details.total for item in timeline.items} == {Money(500)}


async def test_timeline_needs_access_to_the_order_and_shows_trace_ids_to_admins_only(market: Market) -> None:
    first, second = market.shop(), market.shop()
    session = await market.create_payment_session((market.product(first), 2), (market.product(second), 1))
    await market.deliver(market.paid_event(session))
    request = TimelineRequest(order_id=(await order_ids(market, session.session_id))[0])
    for who in (account(Role.BUYER), seller_of(market, second), account(Role.SELLER)):
        with pytest.raises(NotFound):
            await order_timeline(market.deps, caller(who), request)
    with pytest.raises(NotFound):
        await order_timeline(market.deps, caller(market.buyer), TimelineRequest(order_id=new_id()))
    for item in (await order_timeline(market.deps, caller(account(Role.ADMIN)), request)).items:
        assert item.correlation_id
        assert len(item.trace_id or "") == 32


def test_every_event_has_a_title() -> None:
    assert set(TITLES) == set(EVENTS)
