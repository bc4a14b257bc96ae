"""Refunds that the provider makes: only one of that payment, in full, closes what is due or paid."""

from typing import Any
from uuid import UUID

import pytest

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.order import Reason
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.contracts.values import MAX_INTEGER, Money, new_id
from nextbuy.kit.storage.database import Database
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.model import Session
from nextbuy.order.store import sessions
from tests.order.market import Market
from tests.order.test_verify_history import verified
from tests.outbox import data, published, topics

WHOLE = 3000
"""The total of the sessions of these tests."""
STRANGER = "0192f0c1-2345-7abc-8def-0123456789ab"
NOT_WHOLE: dict[str, dict[str, Any]] = {
    "one cent": {"amount_refunded": 1, "refunded": False},
    "one cent less": {"amount_refunded": WHOLE - 1, "refunded": False},
    "one cent that is called everything": {"amount_refunded": 1, "refunded": True},
    "everything of a charge of one cent": {"amount": 1, "amount_refunded": None, "refunded": True},
    "another currency": {"currency": "eur"},
    "another charge": {"id": "pay_other"},
    "another charge, in its payment's name": {"id": "ch_other", "payment_intent": "pay_other"},
    "nothing said about the amount": {"amount_refunded": None, "refunded": None},
    "nothing": {"amount_refunded": 0, "refunded": False},
}


async def a_session(market: Market, **shape: int) -> PaymentSessionCreated:
    """Open a checkout of `WHOLE`, of one shop or of `shops` shops."""
    shops = shape.get("shops", 1)
    lines = [(market.product(market.shop(), price=1000 // shops), 3) for _ in range(shops)]
    return await market.create_payment_session(*lines)


async def paid(market: Market, **shape: int) -> PaymentSessionCreated:
    """Complete a checkout of `WHOLE`."""
    session = await a_session(market, **shape)
    await market.deliver(market.paid_event(session))
    return session


async def with_refund_due(market: Market) -> PaymentSessionCreated:
    """Leave a checkout whose payment, of `WHOLE` in a wrong amount, is to be refunded."""
    session = await market.create_payment_session((market.product(market.shop(), price=2000), 3))
    await failing(market, RefundPayment, market.paid_event(session, amount_total=WHOLE))
    assert await market.status(session.session_id) == "refund-due"
    return session


def refunded_event(market: Market, session: PaymentSessionCreated, **fields: object) -> dict[str, Any]:
    """Return the event that reports the refund of `WHOLE`."""
    whole: dict[str, object] = {"amount_refunded": WHOLE, "refunded": True}
    return market.provider_event("charge.refunded", session.session_id, **whole | fields)


async def failing(market: Market, call: type[Call[Any]], event: object) -> None:
    """Deliver an event while a call fails."""
    usual = market.calls.replies[call]
    market.calls.replies[call] = Unavailable("unavailable")
    with pytest.raises(AppError):
        await market.deliver(event)
    market.calls.replies[call] = usual


async def reported(market: Market) -> list[dict[str, Any]]:
    """Return the refunds that were reported and closed nothing."""
    return [data(one) for one in await published(market.database) if one.type == "payment.refund-reported"]


@pytest.mark.parametrize("fields", NOT_WHOLE.values(), ids=NOT_WHOLE)
async def test_other_refund_closes_nothing_and_the_payment_is_still_refunded_by_us(
    market: Market, fields: dict[str, Any]
) -> None:
    session = await with_refund_due(market)

    assert (await market.deliver(refunded_event(market, session, **fields))).status == 200

    assert await market.status(session.session_id) == "refund-due"
    await market.recover()
    assert await market.status(session.session_id) == "refunded"
    assert set(market.refunds) == {market.payment_id(session)}
    assert (await verified(market))[1] == []


WHOLE_REFUNDS: dict[str, dict[str, Any]] = {
    "amount and flag": {},
    "the amount alone": {"refunded": None},
    "the amount, in two steps": {"refunded": False},
    "the flag alone": {"amount_refunded": None},
    "the flag alone, without a currency": {"amount_refunded": None, "currency": None},
    "more than the whole": {"amount_refunded": WHOLE + 1},
    "no session": {"client_reference_id": None},
    "another session": {"client_reference_id": STRANGER},
    "the charge of the payment": {"id": "ch_1", "payment_intent": "OWN"},
    "the payment as an object": {"id": "ch_1", "payment_intent": {"id": "OWN", "object": "payment_intent"}},
}


@pytest.mark.parametrize("fields", WHOLE_REFUNDS.values(), ids=WHOLE_REFUNDS)
async def test_full_refund_of_the_payment_closes_what_is_due(market: Market, fields: dict[str, Any]) -> None:
    session = await with_refund_due(market)
    event = refunded_event(market, session, **_own(fields, market.payment_id(session)))

    for _ in range(2):
        assert (await market.deliver(event)).status == 200
    await market.recover()

    assert await market.status(session.session_id) == "refunded"
    assert market.refunds == {}, "the provider has refunded it before"
    assert (await topics(market.database)).count("payment.refunded") == 1
    assert await reported(market) == []
    assert (await verified(market))[1] == []


def _own(fields: dict[str, Any], payment_id: str) -> dict[str, Any]:
    text = {"OWN": payment_id}
    return {
        name: {**value, "id": payment_id} if isinstance(value, dict) else text.get(value, value)
        for name, value in fields.items()
    }


@pytest.mark.parametrize("shops", [1, 2])
async def test_full_refund_of_a_paid_checkout_refunds_it_and_each_order(market: Market, shops: int) -> None:
    session = await paid(market, shops=shops)

    for _ in range(2):
        assert (await market.deliver(refunded_event(market, session))).status == 200

    assert await market.status(session.session_id) == "refunded"
    orders = {str(row["id"]): row for row in await market.database.fetch("SELECT * FROM orders")}
    assert [row["status"] for row in orders.values()] == ["refunded"] * shops
    events = (await published(market.database))[-1 - shops :]
    assert [event.type for event in events] == ["payment.refunded", *["order.refunded"] * shops]
    assert data(events[0])["reason"] == Reason.REFUNDED_LATE
    for event in events[1:]:
        order = orders.pop(data(event)["order_id"])
        assert data(event) == {
            "order_id": str(order["id"]),
            "number": order["number"],
            "session_id": str(session.session_id),
            "buyer_id": str(market.buyer.id),
            "shop_id": str(order["shop_id"]),
            "seller_id": str(order["seller_id"]),
            "total": {"amount": order["total"], "currency": "USD"},
            "reason": Reason.REFUNDED_LATE,
        }
    assert session.session_id in market.sold, "its units are not restocked: they may be on their way"
    assert (await verified(market))[1] == []
    await market.assert_reconciled(payments={market.payment_id(session)})


@pytest.mark.parametrize("fields", NOT_WHOLE.values(), ids=NOT_WHOLE)
async def test_other_refund_of_a_paid_checkout_leaves_it_paid(market: Market, fields: dict[str, Any]) -> None:
    session = await paid(market)

    assert (await market.deliver(refunded_event(market, session, **fields))).status == 200

    assert await market.status(session.session_id) == "paid"
    assert await market.database.fetchval("SELECT status FROM orders") == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})
    assert (await verified(market))[1] == []


async def test_partial_refunds_are_reported_once_each_and_their_sum_refunds_the_checkout(market: Market) -> None:
    session = await paid(market)

    for amount in (1000, 1000, 500, 2000):
        await market.deliver(refunded_event(market, session, amount_refunded=amount, refunded=False))

    payment_id = market.payment_id(session)
    assert [(one["payment_id"], one["total"]["amount"]) for one in await reported(market)] == [
        (payment_id, 1000),
        (payment_id, 2000),
    ]
    await market.deliver(refunded_event(market, session))
    assert await market.status(session.session_id) == "refunded"
    assert (await verified(market))[1] == []


@pytest.mark.parametrize("ended", ["open", "checkout.session.expired", "payment_intent.payment_failed"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"client_reference_id": None}, {"id": "pay_second"}, {"id": "ch_1", "payment_intent": "OWN"}],
    ids=["own", "no session", "second payment", "charge"],
)
async def test_payment_that_was_refunded_before_its_report_makes_no_order(
    market: Market, fields: dict[str, Any], ended: str
) -> None:
    session = await a_session(market)
    own = market.payment_id(session)
    if ended != "open":
        await market.deliver(market.provider_event(ended, session.session_id))

    await market.deliver(refunded_event(market, session, **_own(fields, own)))
    [early] = await reported(market)
    payment_id = "pay_second" if "second" in str(fields) else own
    for _ in range(2):
        assert (await market.deliver(market.paid_event(session, id=payment_id))).status == 200
    await market.recover()

    assert (early["payment_id"], early["total"]["amount"]) == (payment_id, WHOLE)
    assert await market.status(session.session_id) == "refunded"
    assert market.calls.of_type(UpdateStock) == market.calls.of_type(RefundPayment) == []
    assert set(market.stock.values()) == {10}
    assert (await topics(market.database)).count("order.created") == 0
    last = next(one for one in reversed(await published(market.database)) if one.type == "payment.refunded")
    assert data(last)["reason"] == Reason.REFUNDED_EARLY
    assert (await verified(market))[1] == []


async def test_part_of_a_payment_that_was_refunded_before_its_report_is_reported_and_the_order_follows(
    market: Market,
) -> None:
    session = await a_session(market)

    await market.deliver(refunded_event(market, session, amount_refunded=WHOLE - 1, refunded=False))
    await market.deliver(market.paid_event(session))

    assert len(await reported(market)) == 1
    assert await market.status(session.session_id) == "paid"
    await market.assert_reconciled(payments={market.payment_id(session)})
    assert (await verified(market))[1] == []


async def test_early_refund_of_one_payment_does_not_stop_another(market: Market) -> None:
    session = await a_session(market)

    await market.deliver(refunded_event(market, session, id="pay_second"))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.paid_event(session, id="pay_second"))
    await market.recover()

    assert await market.status(session.session_id) == "paid"
    assert market.refunds == {}, "the second payment was refunded before it was reported"
    assert (await topics(market.database))[-2:] == ["payment.refund-due", "payment.refunded"]
    assert (await verified(market))[1] == []


async def test_refund_that_is_recorded_while_its_payment_arrives_is_not_lost(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await a_session(market)
    read = sessions.read_for_payment

    async def read_then_refund(database: Database, session_id: UUID, payment_id: str) -> Session | None:
        found = await read(database, session_id, payment_id)
        monkeypatch.undo()
        await market.deliver(refunded_event(market, session))
        return found

    monkeypatch.setattr(sessions, "read_for_payment", read_then_refund)
    event = market.paid_event(session)
    with pytest.raises(Unavailable):
        await market.deliver(event)

    assert await market.status(session.session_id) == "open"
    await market.deliver(event)
    assert await market.status(session.session_id) == "refunded"
    assert (await verified(market))[1] == []


async def test_refund_of_a_checkout_that_is_being_completed_waits_for_its_orders(market: Market) -> None:
    session = await a_session(market)
    await failing(market, UpdateStock, market.paid_event(session))
    event = refunded_event(market, session)

    with pytest.raises(Unavailable) as error:
        await market.deliver(event)

    assert error.value.slug == "refund-delayed"
    await market.recover()
    await market.deliver(event)
    assert await market.status(session.session_id) == "refunded"
    assert await market.database.fetchval("SELECT status FROM orders") == "refunded"
    assert (await verified(market))[1] == []


@pytest.mark.parametrize("work", ["due", "given up"])
@pytest.mark.parametrize("kind", ["second payment", "unknown session"])
async def test_full_refund_of_an_unmatched_payment_closes_it_and_a_part_does_not(
    market: Market, kind: str, work: str
) -> None:
    known, given_up = kind == "second payment", work == "given up"
    session_id = (await paid(market)).session_id if known else new_id()
    payment = {"id": "pay_second", "amount_total": 500, "amount_refunded": 500, "refunded": True}
    await market.deliver(market.provider_event("checkout.session.completed", session_id, **payment))
    if given_up:
        await market.give_up("pay_second")

    await market.deliver(market.provider_event("charge.refunded", session_id, **payment | {"amount_refunded": 499}))
    row = await market.database.fetchrow("SELECT refund_id, refund_due_at FROM unmatched_payments")
    assert row is not None
    assert (row["refund_id"], row["refund_due_at"] is None) == (None, given_up)
    whole = market.provider_event("charge.refunded", None, client_reference_id=None, **payment)
    for _ in range(2):
        await market.deliver(whole)
    await market.recover()

    row = await market.database.fetchrow("SELECT refund_id, refund_due_at FROM unmatched_payments")
    assert row is not None
    assert (row["refund_id"], row["refund_due_at"]) == (whole["id"], None)
    assert market.refunds == {}
    prefix = "payment." if known else "payment.unmatched-"
    assert [topic for topic in await topics(market.database) if "refund" in topic and "due" not in topic] == [
        f"{prefix}refund-reported",
        f"{prefix}refunded",
    ]
    assert (await verified(market))[1] == []


@pytest.mark.parametrize("amount", [0, 1, MAX_INTEGER])
async def test_refund_of_any_amount_is_accepted(market: Market, amount: int) -> None:
    session = await paid(market)

    assert (await market.deliver(refunded_event(market, session, amount_refunded=amount, refunded=False))).status == 200
    assert (await verified(market))[1] == []
    assert all(Money(**one["total"]).amount == amount for one in await reported(market))


@pytest.mark.parametrize("early", [False, True])
async def test_checkout_that_names_its_payment_is_ended_by_the_refund_of_that_payment(
    market: Market, *, early: bool
) -> None:
    session = await a_session(market)
    events = [
        market.paid_event(session, id="cs_1", payment_intent="pi_1"),
        refunded_event(market, session, id="ch_1", payment_intent="pi_1"),
    ]

    for event in reversed(events) if early else events:
        await market.deliver(event)

    assert await market.status(session.session_id) == "refunded"


async def test_later_report_in_another_currency_does_not_replace_a_full_refund(market: Market) -> None:
    session = await a_session(market)

    await market.deliver(refunded_event(market, session))
    await market.deliver(refunded_event(market, session, amount_refunded=1, refunded=False, currency="eur"))
    await market.deliver(market.paid_event(session))

    assert await market.status(session.session_id) == "refunded"
