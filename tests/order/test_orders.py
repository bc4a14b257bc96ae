"""Who sees which sessions and orders."""

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import NotFound, Unreadable
from nextbuy.contracts.values import PageAsk, Role, new_id
from nextbuy.order.order_details import OrderAsked, order_details
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
        page = await listed(market.order, caller(who), PageAsk(limit=2))
        items = list(page.items)
        while page.next_cursor is not None:
            page = await listed(market.order, caller(who), PageAsk(limit=2, cursor=page.next_cursor))
            items += page.items
        assert len({item.id for item in items}) == 5
        assert [item.id for item in items] == sorted((item.id for item in items), reverse=True)
        assert {(item.shop_id, item.status, item.total.amount) for item in items} == {(shop, "paid", 1000)}
        assert (await listed(market.order, caller(account(Role.SELLER)), PageAsk())).items == []
        with pytest.raises(Unreadable) as error:
            await listed(market.order, caller(who), PageAsk(cursor="x"))
        assert error.value.slug == "bad-cursor"
