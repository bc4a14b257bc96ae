"""Who sees which sessions and orders."""

from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import NotFound, Unprocessable
from nextbuy.contracts.values import Money, PageRequest, Role, new_id
from nextbuy.order.history import TOLD
from nextbuy.order.order_details import OrderAsked, order_details
from nextbuy.order.order_timeline import TITLES, TimelineAsked, order_timeline
from nextbuy.order.payment_session import PaymentSessionAsked, payment_session
from nextbuy.order.seller_orders import seller_orders
from nextbuy.order.user_orders import user_orders
from tests.callers import account, caller
from tests.order.market import Market


def seller_of(market: Market, shop: object) -> Account:
    return next(account(Role.SELLER, account_id=known.seller_id) for known in market.shops.values() if known.id == shop)


async def test_a_buyer_follows_a_session_to_its_orders_and_nobody_else_does(market: Market) -> None:
    first, second = market.shop(), market.shop()
    session = await market.basket((market.product(first), 1), (market.product(second), 1))
    ask = PaymentSessionAsked(session_id=session.session_id)
    seen = await payment_session(market.order, caller(market.buyer), ask)
    assert (seen.status, seen.total, seen.order_ids) == ("open", session.total, [])
    await market.tell(market.paid(session))
    seen = await payment_session(market.order, caller(market.buyer), ask)
    assert (seen.status, len(seen.order_ids)) == ("paid", 2)
    for other in (account(Role.BUYER), account(Role.ADMIN)):
        with pytest.raises(NotFound):
            await payment_session(market.order, caller(other), ask)
    with pytest.raises(NotFound):
        await payment_session(market.order, caller(market.buyer), PaymentSessionAsked(session_id=new_id()))


async def test_an_order_is_seen_by_its_buyer_the_seller_of_its_shop_and_admins_alone(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug = market.product(first, price=250)
    session = await market.basket((mug, 2), (market.product(second), 1))
    await market.tell(market.paid(session))
    ids = (
        await payment_session(market.order, caller(market.buyer), PaymentSessionAsked(session_id=session.session_id))
    ).order_ids
    ask = OrderAsked(order_id=ids[0])
    for who in (market.buyer, seller_of(market, first), account(Role.ADMIN)):
        order = (await order_details(market.order, caller(who), ask)).order
        assert (order.id, order.session_id, order.shop_id) == (ids[0], session.session_id, first)
        assert (order.status, order.total.amount) == ("paid", 500)
        assert [(line.product_id, line.quantity, line.unit_price.amount) for line in order.lines] == [(mug, 2, 250)]
    for who in (account(Role.BUYER), seller_of(market, second), account(Role.SELLER)):
        with pytest.raises(NotFound):
            await order_details(market.order, caller(who), ask)
    with pytest.raises(NotFound):
        await order_details(market.order, caller(market.buyer), OrderAsked(order_id=new_id()))


async def test_lists_of_orders_are_paged_newest_first_each_seeing_only_the_own(market: Market) -> None:
    shop = market.shop()
    for _ in range(5):
        await market.tell(market.paid(await market.basket((market.product(shop), 1))))
    for who, listed in ((market.buyer, user_orders), (seller_of(market, shop), seller_orders)):
        page = await listed(market.order, caller(who), PageRequest(limit=2))
        items = list(page.items)
        while page.next_cursor is not None:
            page = await listed(market.order, caller(who), PageRequest(limit=2, cursor=page.next_cursor))
            items += page.items
        assert len({item.id for item in items}) == 5
        assert [item.id for item in items] == sorted((item.id for item in items), reverse=True)
        assert {(item.shop_id, item.status, item.total.amount) for item in items} == {(shop, "paid", 1000)}
        assert (await listed(market.order, caller(account(Role.SELLER)), PageRequest())).items == []
        with pytest.raises(Unprocessable) as error:
            await listed(market.order, caller(who), PageRequest(cursor="x"))
        assert error.value.slug == "bad-cursor"


async def order_ids(market: Market, session_id: UUID) -> list[UUID]:
    return (
        await payment_session(market.order, caller(market.buyer), PaymentSessionAsked(session_id=session_id))
    ).order_ids


async def test_the_life_of_an_order_is_told_in_order_from_the_basket_on(market: Market) -> None:
    first, second = market.shop(), market.shop()
    session = await market.basket((market.product(first, price=250), 2), (market.product(second), 1))
    await market.tell(market.event("payment_intent.payment_failed", session.session_id))
    await market.tell(market.paid(session))
    await market.tell(market.paid(session, id="pay_again"))
    await market.recover()
    ask = TimelineAsked(order_id=(await order_ids(market, session.session_id))[0])
    items = (await order_timeline(market.order, caller(market.buyer), ask)).items
    assert [item.title for item in items] == [
        "Basket taken to the checkout",
        "Payment page opened",
        "Payment declined",
        "Payment received",
        "Goods set aside",
        "Order placed",
        "Order paid",
        "Payment will be returned",
        "Payment returned",
    ]
    assert [item.at for item in items] == sorted(item.at for item in items)
    begun, declined, received, placed = items[0], items[2], items[3], items[5]
    assert begun.details.pay_until == session.expires_at
    assert [line.quantity for line in begun.details.lines] == [2, 1]
    assert declined.details.reason == "the card was declined"
    assert received.details.total == session.total
    assert placed.details.total == Money(500)
    assert {(item.correlation_id, item.trace_id) for item in items} == {(None, None)}


async def test_a_seller_is_told_nothing_of_other_shops_nor_of_how_the_buyer_paid(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug, secret = market.product(first, price=250), market.product(second, price=77_777)
    session = await market.basket((mug, 2), (secret, 1))
    await market.tell(market.event("payment_intent.payment_failed", session.session_id))
    await market.tell(market.paid(session))
    await market.tell(market.paid(session, id="pay_again"))
    await market.recover()
    orders = await order_ids(market, session.session_id)
    ask = TimelineAsked(order_id=orders[0])
    told = await order_timeline(market.order, caller(seller_of(market, first)), ask)
    assert [item.title for item in told.items] == [
        "Basket taken to the checkout",
        "Payment received",
        "Goods set aside",
        "Order placed",
        "Order paid",
    ]
    text = msgspec.json.encode(told).decode()
    for word in (str(secret), str(second), str(orders[1]), "77777", "78277", "declined", "pay_again"):
        assert word not in text
    assert {item.details.total for item in told.items} == {Money(500)}


async def test_a_timeline_is_for_those_who_may_see_the_order_and_its_trace_for_admins(market: Market) -> None:
    first, second = market.shop(), market.shop()
    session = await market.basket((market.product(first), 2), (market.product(second), 1))
    await market.tell(market.paid(session))
    ask = TimelineAsked(order_id=(await order_ids(market, session.session_id))[0])
    for who in (account(Role.BUYER), seller_of(market, second), account(Role.SELLER)):
        with pytest.raises(NotFound):
            await order_timeline(market.order, caller(who), ask)
    with pytest.raises(NotFound):
        await order_timeline(market.order, caller(market.buyer), TimelineAsked(order_id=new_id()))
    for item in (await order_timeline(market.order, caller(account(Role.ADMIN)), ask)).items:
        assert item.correlation_id
        assert len(item.trace_id or "") == 32


def test_every_event_of_an_order_has_words_for_people() -> None:
    assert set(TITLES) == set(TOLD)
