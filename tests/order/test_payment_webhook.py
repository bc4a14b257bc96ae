"""What the payment provider says, and what becomes of it."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from nextbuy.contracts.errors import BadRequest, Unavailable
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import Money, new_id
from nextbuy.order.payment_webhook import payment_webhook
from tests.callers import caller
from tests.order.market import Market
from tests.outbox import data, published, topics


async def test_a_basket_from_two_shops_becomes_two_orders_each_with_its_events(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug, bowl, book = market.product(first, price=700), market.product(first), market.product(second, price=300)
    session = await market.basket((mug, 2), (book, 1), (bowl, 1))
    assert (await market.tell(market.paid(session))).status == 200
    rows = await market.database.fetch("SELECT number, shop_id, total, seller_id FROM orders ORDER BY number")
    assert [(row["shop_id"], row["total"]) for row in rows] == [(first, 2400), (second, 300)]
    assert [row["seller_id"] for row in rows] == [market.shops[first].seller_id, market.shops[second].seller_id]
    assert [row["number"][-2:] for row in rows] == ["-1", "-2"]
    assert await topics(market.database) == [
        "payment-session.created",
        "payment-session.opened",
        "payment.received",
        "payment-session.paid",
        "order.created",
        "order.created",
        "order.paid",
        "order.paid",
    ]
    created = data((await published(market.database))[4])
    assert created["seller_id"] == str(market.shops[first].seller_id)
    assert [(line["product_id"], line["quantity"]) for line in created["lines"]] == [(str(mug), 2), (str(bowl), 1)]
    await market.check_books(money_for={market.opened[session.session_id].payment_id})


async def test_the_same_webhook_a_hundred_times_at_once_makes_one_order(market: Market) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    event = market.paid(session)
    answers = await asyncio.gather(*(market.tell(event) for _ in range(100)))
    assert {answer.status for answer in answers} == {200}
    assert len(market.calls.of_type(UpdateStock)) == 1
    await market.check_books(money_for={market.opened[session.session_id].payment_id})


async def test_the_same_payment_told_under_fifty_event_ids_makes_one_order(market: Market) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    await asyncio.gather(*(market.tell(market.paid(session)) for _ in range(50)))
    assert len(market.calls.of_type(UpdateStock)) == 1
    await market.check_books(money_for={market.opened[session.session_id].payment_id})


@pytest.mark.parametrize("told", [order for n in (1, 2, 3) for order in permutations(["paid", "failed", "expired"], n)])
async def test_webhooks_in_any_order_end_the_same_way(market: Market, told: tuple[str, ...]) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    kinds = {
        "paid": market.paid(session),
        "failed": market.event("checkout.session.async_payment_failed", session.session_id),
        "expired": market.event("checkout.session.expired", session.session_id),
    }
    for name in told:
        assert (await market.tell(kinds[name])).status == 200
        assert (await market.tell(kinds[name])).status == 200
    await market.recover()
    paid = "paid" in told
    assert await market.status(session.session_id) == ("paid" if paid else told[0])
    await market.check_books(money_for={market.opened[session.session_id].payment_id} if paid else set())


async def test_a_declined_payment_gives_the_units_back_at_once_and_says_so(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.basket((product, 3))
    assert market.stock[product] == 7
    event = market.event(
        "payment_intent.payment_failed",
        None,
        client_reference_id=None,
        metadata={"session_id": str(session.session_id)},
        last_payment_error={"message": "Your card\0 was declined."},
    )
    await market.tell(event)
    assert market.stock[product] == 10
    assert (await topics(market.database))[2:] == ["payment.failed"]
    assert data((await published(market.database))[2])["reason"] == "Your card was declined."


@pytest.mark.parametrize("what", ["secret", "age", "body", "none"])
async def test_a_bad_or_old_signature_changes_nothing(market: Market, what: str) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    request = market.signed(market.paid(session))
    if what == "secret":
        request = market.signed(market.paid(session), secret="whsec_other")
    elif what == "age":
        request = market.signed(market.paid(session), at=market.now - timedelta(minutes=6))
    elif what == "body":
        request.body += b" "
    else:
        request.headers = {}
    with pytest.raises(BadRequest) as refusal:
        await payment_webhook(market.order, caller(None), request)
    assert refusal.value.slug == "bad-signature"
    assert await market.status(session.session_id) == "open"


@pytest.mark.parametrize("event", [{}, [], {"id": "e", "type": "t"}, {"id": "e", "type": "charge.refunded", "data": 1}])
async def test_a_signed_body_that_is_no_event_is_a_bad_request(market: Market, event: object) -> None:
    with pytest.raises(BadRequest) as refusal:
        await market.tell(event)
    assert refusal.value.slug == "bad-event"


async def test_events_that_are_not_ours_to_act_on_are_taken_and_ignored(market: Market) -> None:
    event = {"id": "evt_1", "type": "customer.created", "data": {"object": ["anything"]}}
    assert (await market.tell(event)).status == 200
    session = await market.basket((market.product(market.shop()), 3))
    await market.tell(market.paid(session, payment_status="unpaid"))
    assert await market.status(session.session_id) == "open"


async def test_money_after_expiry_still_gets_its_goods_where_they_are_there(market: Market) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    await market.time_passes(minutes=31)
    assert await market.status(session.session_id) == "expired"
    await market.tell(market.paid(session))
    assert await market.status(session.session_id) == "paid"
    await market.check_books(money_for={market.opened[session.session_id].payment_id})


async def test_money_after_expiry_goes_back_where_the_goods_were_sold_to_others(market: Market) -> None:
    product = market.product(market.shop())
    late = await market.basket((product, 8))
    await market.time_passes(minutes=31)
    quick = await market.basket((product, 9))
    await market.tell(market.paid(quick))
    assert (await market.tell(market.paid(late))).status == 200
    assert await market.status(late.session_id) == "refunded"
    assert "payment.refunded" in await topics(market.database)
    both = {market.opened[session.session_id].payment_id for session in (late, quick)}
    await market.check_books(money_for=both)
    await market.tell(market.event("charge.refunded", late.session_id))
    assert (await topics(market.database)).count("payment.refunded") == 1


@pytest.mark.parametrize("wrong", [{"amount_total": 1}, {"currency": "eur"}])
async def test_another_amount_than_the_baskets_goes_back_with_the_units(
    market: Market, wrong: dict[str, object]
) -> None:
    product = market.product(market.shop())
    session = await market.basket((product, 3))
    await market.tell(market.paid(session, **wrong))
    await market.recover()
    assert await market.status(session.session_id) == "refunded"
    assert market.stock[product] == 10
    refunded = data((await published(market.database))[-1])
    assert refunded["total"] == {
        "amount": wrong.get("amount_total", 3000),
        "currency": str(wrong.get("currency", "usd")).upper(),
    }
    await market.check_books(money_for={market.opened[session.session_id].payment_id})


async def test_money_for_a_session_that_we_do_not_know_goes_back(market: Market) -> None:
    event = market.event("checkout.session.completed", new_id(), id="pay_stray", amount_total=5)
    for _ in range(3):
        assert (await market.tell(event)).status == 200
        await market.recover()
    assert set(market.refunds) == {"pay_stray"}


async def test_a_second_payment_for_a_paid_basket_goes_back_and_the_first_stays(market: Market) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    await market.tell(market.paid(session))
    await market.tell(market.paid(session, id="pay_again"))
    await market.recover()
    assert set(market.refunds) == {"pay_again"}
    refund = data((await published(market.database))[-1])
    assert refund["total"] == {"amount": session.total.amount, "currency": Money(0).currency}
    await market.check_books(money_for={market.opened[session.session_id].payment_id, "pay_again"})


async def test_while_product_is_away_the_money_is_kept_and_the_orders_follow(market: Market) -> None:
    session = await market.basket((market.product(market.shop()), 3))
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("away")
    with pytest.raises(Unavailable) as answer:
        await market.tell(market.paid(session))
    assert answer.value.retry_after
    assert await market.status(session.session_id) == "paying"
    market.calls.replies[UpdateStock] = usual
    await market.recover()
    await market.check_books(money_for={market.opened[session.session_id].payment_id})
