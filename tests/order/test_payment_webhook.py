"""Events of the payment provider, and their effect on sessions, stock and orders."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from nextbuy.contracts.errors import BadRequest, Unavailable
from nextbuy.contracts.order import Reason
from nextbuy.contracts.product import ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.contracts.values import MAX_INTEGER, Money
from nextbuy.order.payment_webhook import payment_webhook
from nextbuy.order.state_changes import advance, record_release
from nextbuy.order.store import sessions, transitions, unmatched_payments
from tests.callers import caller
from tests.order.market import Market
from tests.outbox import data, published, topics


async def test_basket_from_two_shops_becomes_two_orders_each_with_its_events(market: Market) -> None:
    first, second = market.shop(), market.shop()
    mug, bowl, book = market.product(first, price=700), market.product(first), market.product(second, price=300)
    session = await market.create_payment_session((mug, 2), (book, 1), (bowl, 1))

    assert (await market.deliver(market.paid_event(session))).status == 200

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
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_longest_texts_and_highest_amount_of_the_provider_are_published(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    declined = market.provider_event(
        "checkout.session.async_payment_failed", session.session_id, last_payment_error={"message": "\0" + "x" * 999}
    )
    longest = {"id": "p" * 255, "amount_total": MAX_INTEGER}

    assert (await market.deliver(declined)).status == 200
    assert (await market.deliver(market.paid_event(session, **longest))).status == 200

    assert await topics(market.database) == [
        "payment-session.created",
        "payment-session.opened",
        "payment.failed",
        "payment-session.hold-released",
        "payment.received",
        "payment.refund-due",
        "payment.refunded",
    ]
    with pytest.raises(BadRequest):
        await market.deliver(market.paid_event(session, amount_total=MAX_INTEGER + 1))
    with pytest.raises(BadRequest):
        await market.deliver(market.paid_event(session, currency="usd\n"))


async def test_completed_checkout_is_not_due_again(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))

    await market.deliver(market.paid_event(session))

    assert await market.database.fetchval("SELECT completion_due_at FROM sessions") is None


async def test_hundred_concurrent_copies_of_one_webhook_make_one_order(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    event = market.paid_event(session)

    responses = await asyncio.gather(*(market.deliver(event) for _ in range(100)))

    assert {response.status for response in responses} == {200}
    assert len(market.calls.of_type(UpdateStock)) == 1
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_one_payment_reported_by_fifty_events_makes_one_order(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))

    await asyncio.gather(*(market.deliver(market.paid_event(session)) for _ in range(50)))

    assert len(market.calls.of_type(UpdateStock)) == 1
    await market.assert_reconciled(payments={market.payment_id(session)})


@pytest.mark.parametrize(
    "order", [order for n in (1, 2, 3) for order in permutations(["paid", "failed", "expired"], n)]
)
async def test_webhooks_in_any_order_have_the_same_result(market: Market, order: tuple[str, ...]) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    events = {
        "paid": market.paid_event(session),
        "failed": market.provider_event("checkout.session.async_payment_failed", session.session_id),
        "expired": market.provider_event("checkout.session.expired", session.session_id),
    }

    for name in order:
        assert (await market.deliver(events[name])).status == 200
        assert (await market.deliver(events[name])).status == 200
    await market.recover()

    paid = "paid" in order
    assert await market.status(session.session_id) == ("paid" if paid else order[0])
    await market.assert_reconciled(payments={market.payment_id(session)} if paid else set())


async def test_failed_payment_releases_stock_at_once_and_publishes_the_providers_reason(market: Market) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))
    assert market.stock[product] == 7
    event = market.provider_event(
        "checkout.session.async_payment_failed",
        None,
        client_reference_id=None,
        metadata={"session_id": str(session.session_id)},
        last_payment_error={"message": "Your card\0 was declined."},
    )

    await market.deliver(event)

    assert market.stock[product] == 10
    assert (await topics(market.database))[2:] == ["payment.failed", "payment-session.hold-released"]
    assert data((await published(market.database))[2])["reason"] == "Your card was declined."


async def test_payment_cancels_a_release_of_stock_that_is_due(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    usual = market.calls.replies[ReleaseStock]
    market.calls.replies[ReleaseStock] = Unavailable("unavailable")
    await market.deliver(market.provider_event("checkout.session.expired", session.session_id))
    market.calls.replies[ReleaseStock] = usual

    await market.deliver(market.paid_event(session))
    await market.recover()

    assert len(market.calls.of_type(ReleaseStock)) == 1
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_failure_without_a_reason_is_published_with_a_code(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))

    await market.deliver(market.provider_event("checkout.session.async_payment_failed", session.session_id))

    assert data((await published(market.database))[2])["reason"] == Reason.DECLINED


@pytest.mark.parametrize("fault", ["secret", "age", "body", "none"])
async def test_invalid_or_old_signature_changes_nothing(market: Market, fault: str) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    request = market.signed_request(market.paid_event(session))
    if fault == "secret":
        request = market.signed_request(market.paid_event(session), secret="whsec_other")
    elif fault == "age":
        request = market.signed_request(market.paid_event(session), at=market.now - timedelta(minutes=6))
    elif fault == "body":
        request.body += b" "
    else:
        request.headers = {}

    with pytest.raises(BadRequest) as error:
        await payment_webhook(market.deps, caller(None), request)

    assert error.value.slug == "invalid-signature"
    assert await market.status(session.session_id) == "open"


@pytest.mark.parametrize(
    "event",
    [{}, [], {"id": "e"}, {"type": "t"}, {"id": "e", "type": 1}, {"id": "e", "type": "charge.refunded", "data": 1}],
)
async def test_signed_body_that_is_no_event_is_a_bad_request(market: Market, event: object) -> None:
    with pytest.raises(BadRequest) as error:
        await market.deliver(event)

    assert error.value.slug == "invalid-event"


@pytest.mark.parametrize("missing", ["amount_total", "currency"])
async def test_payment_without_amount_or_currency_is_a_bad_request(market: Market, missing: str) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))

    with pytest.raises(BadRequest) as error:
        await market.deliver(market.paid_event(session, **{missing: None}))

    assert error.value.slug == "invalid-event"
    assert await market.status(session.session_id) == "open"


OTHER_DATA: tuple[object, ...] = (None, [], "x", {"object": None})


async def test_events_that_the_shop_does_not_handle_are_accepted_and_ignored(market: Market) -> None:
    for event in (
        {"id": "evt_1", "type": "customer.created", "data": {"object": ["anything"]}},
        {
            "id": "evt_1",
            "object": "v2.core.event",
            "type": "v2.core.account.updated",
            "related_object": {"id": "acct_1"},
        },
        *({"id": "evt_1", "type": "v2.core.account.updated", "data": other} for other in OTHER_DATA),
        {"id": "evt_1" * 100, "type": "é" * 1_000, "data": {}},
    ):
        assert (await market.deliver(event)).status == 200
    session = await market.create_payment_session((market.product(market.shop()), 3))

    await market.deliver(market.paid_event(session, payment_status="unpaid"))

    assert await market.status(session.session_id) == "open"


async def test_payment_after_expiry_gets_its_order_if_stock_is_left(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    await market.advance_clock(minutes=31)
    assert await market.status(session.session_id) == "expired"

    await market.deliver(market.paid_event(session))

    assert await market.status(session.session_id) == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_payment_after_expiry_is_refunded_once_if_the_stock_is_sold(market: Market) -> None:
    product = market.product(market.shop())
    late = await market.create_payment_session((product, 8))
    await market.advance_clock(minutes=31)
    quick = await market.create_payment_session((product, 9))
    await market.deliver(market.paid_event(quick))

    assert (await market.deliver(market.paid_event(late))).status == 200

    assert await market.status(late.session_id) == "refunded"
    refund = (await published(market.database))[-1]
    assert (refund.type, data(refund)["reason"]) == ("payment.refunded", Reason.SOLD_OUT)
    await market.assert_reconciled(payments={market.payment_id(late), market.payment_id(quick)})
    await market.deliver(market.provider_event("charge.refunded", late.session_id, refunded=True))
    assert (await topics(market.database)).count("payment.refunded") == 1


@pytest.mark.parametrize("wrong", [{"amount_total": 1}, {"currency": "eur"}])
async def test_payment_of_a_wrong_amount_is_refunded_and_releases_stock(
    market: Market, wrong: dict[str, object]
) -> None:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 3))

    await market.deliver(market.paid_event(session, **wrong))
    await market.recover()

    assert await market.status(session.session_id) == "refunded"
    assert market.stock[product] == 10
    [refund] = [data(one) for one in await published(market.database) if one.type == "payment.refunded"]
    assert refund["reason"] == Reason.WRONG_AMOUNT
    assert refund["total"] == {
        "amount": wrong.get("amount_total", 3000),
        "currency": str(wrong.get("currency", "usd")).upper(),
    }
    await market.assert_reconciled(payments={market.payment_id(session)})


@pytest.mark.parametrize("reference", ["0192f0c1-2345-7abc-8def-0123456789ab", "another shop's", None])
async def test_payment_for_an_unknown_session_is_refunded_once(market: Market, reference: str | None) -> None:
    event = market.provider_event(
        "checkout.session.completed", None, client_reference_id=reference, id="pay_unmatched", amount_total=5
    )

    for _ in range(3):
        assert (await market.deliver(event)).status == 200
        await market.recover()

    assert set(market.refunds) == {"pay_unmatched"}
    assert len(market.calls.of_type(RefundPayment)) == 1
    assert await topics(market.database) == ["payment.unmatched", "payment.unmatched-refunded"]
    assert await market.database.fetchval("SELECT reason FROM unmatched_payments") == Reason.UNMATCHED


async def test_second_payment_of_a_paid_basket_is_refunded_and_the_first_stays(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    await market.deliver(market.paid_event(session))

    await market.deliver(market.paid_event(session, id="pay_again"))
    await market.recover()

    assert set(market.refunds) == {"pay_again"}
    refund = data((await published(market.database))[-1])
    assert refund["total"] == {"amount": session.total.amount, "currency": Money(0).currency}
    await market.assert_reconciled(payments={market.payment_id(session), "pay_again"})


async def test_second_payment_reported_by_two_events_is_due_and_refunded_once(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await market.deliver(market.paid_event(session))

    for _ in range(2):
        await market.deliver(market.paid_event(session, id="pay_second"))
    await market.recover()

    assert (await topics(market.database)).count("payment.refund-due") == 1
    assert (await topics(market.database)).count("payment.refunded") == 1
    assert await market.database.fetchval("SELECT refund_due_at FROM unmatched_payments") is None


async def test_refund_is_not_recorded_after_its_claim_is_lost(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.paid_event(session, id="pay_second"))
    [stale] = await unmatched_payments.claim(market.database, 1)
    await market.expire_claims()
    [current] = await unmatched_payments.claim(market.database, 1)

    async with market.database.transaction() as tx:
        recorded = [await unmatched_payments.mark_refunded(tx, payment, "re_1") for payment in (stale, current)]

    assert recorded == [False, True]


async def test_released_hold_is_not_due_again(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))

    await market.deliver(market.provider_event("checkout.session.expired", session.session_id))

    assert await market.database.fetchval("SELECT release_due_at FROM sessions") is None
    assert (await topics(market.database)).count("payment-session.hold-released") == 1


async def test_release_is_not_published_after_its_claim_is_lost(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 1))
    async with market.database.transaction() as tx:
        await advance(tx, transitions.expired(session.session_id))
    [stale] = await sessions.claim_releases(market.database, 1)
    await market.expire_claims()
    [current] = await sessions.claim_releases(market.database, 1)

    for claimed in (stale, current):
        async with market.database.transaction() as tx:
            await record_release(tx, claimed)

    assert (await topics(market.database)).count("payment-session.hold-released") == 1


async def test_payment_is_recorded_while_product_is_unavailable_and_the_orders_follow(market: Market) -> None:
    session = await market.create_payment_session((market.product(market.shop()), 3))
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("unavailable")

    with pytest.raises(Unavailable) as error:
        await market.deliver(market.paid_event(session))

    assert (error.value.slug, error.value.retry_after) == ("order-delayed", 1)
    assert await market.status(session.session_id) == "paying"
    market.calls.replies[UpdateStock] = usual
    await market.recover()
    await market.assert_reconciled(payments={market.payment_id(session)})
