"""Refunds that the provider reports before the payment, and without its session: they end what the payment begins."""

import asyncio
from typing import Any

import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.order import Reason
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from tests.order.market import Market
from tests.order.test_provider_refunds import STRANGER, WHOLE, a_session, reported
from tests.order.test_verify_history import verified
from tests.outbox import data, published, topics

FULL: dict[str, dict[str, Any]] = {
    "the payment": {"id": "pay_3"},
    "its charge": {"id": "ch_3", "payment_intent": "pay_3"},
    "a stranger's session": {"id": "pay_3", "client_reference_id": STRANGER},
    "the flag alone": {"id": "pay_3", "amount_refunded": None},
    "the flag alone, without a currency": {"id": "pay_3", "amount_refunded": None, "currency": None},
    "the amount alone": {"id": "pay_3", "refunded": False},
}


def early_refund(market: Market, **fields: object) -> dict[str, Any]:
    """Return the event that reports the refund of `WHOLE` of a payment that no session knows."""
    whole = {"client_reference_id": None, "id": "pay_3", "amount_refunded": WHOLE, "refunded": True}
    return market.provider_event("charge.refunded", None, **whole | fields)


async def remembered(market: Market) -> int:
    """Return how many early refunds are stored."""
    return int(await market.database.fetchval("SELECT count(*) FROM early_refunds WHERE payment_id = 'pay_3'"))


@pytest.mark.parametrize("ended", ["open", "checkout.session.expired", "checkout.session.async_payment_failed"])
@pytest.mark.parametrize("fields", FULL.values(), ids=FULL)
async def test_payment_that_was_refunded_when_nobody_knew_it_ends_its_session_as_refunded(
    market: Market, fields: dict[str, Any], ended: str
) -> None:
    session = await a_session(market)
    if ended != "open":
        await market.deliver(market.provider_event(ended, session.session_id))
    refund = early_refund(market, **fields)

    for event in (refund, refund, market.paid_event(session, id="pay_3"), market.paid_event(session, id="pay_3")):
        assert (await market.deliver(event)).status == 200
    await market.recover()

    assert await market.status(session.session_id) == "refunded"
    assert market.calls.of_type(UpdateStock) == market.calls.of_type(RefundPayment) == []
    assert set(market.stock.values()) == {10}
    assert "order.created" not in await topics(market.database)
    last = next(one for one in reversed(await published(market.database)) if one.type == "payment.refunded")
    assert data(last)["reason"] == Reason.REFUNDED_EARLY
    assert await remembered(market) == 0
    assert (await verified(market))[1] == []


async def test_part_that_was_refunded_when_nobody_knew_the_payment_is_reported_and_the_order_follows(
    market: Market,
) -> None:
    session = await a_session(market)

    await market.deliver(early_refund(market, amount_refunded=WHOLE - 1, refunded=False))
    await market.deliver(early_refund(market, amount_refunded=1, refunded=False))
    await market.deliver(market.paid_event(session, id="pay_3"))

    assert await market.status(session.session_id) == "paid"
    assert [one["total"]["amount"] for one in await reported(market)] == [WHOLE - 1]
    assert (await verified(market))[1] == []


async def test_parts_that_were_refunded_when_nobody_knew_the_payment_end_it_once_they_are_all(market: Market) -> None:
    session = await a_session(market)

    await market.deliver(early_refund(market, amount_refunded=1, refunded=False))
    await market.deliver(early_refund(market))
    await market.deliver(early_refund(market, amount_refunded=1, refunded=False))
    await market.deliver(market.paid_event(session, id="pay_3"))

    assert await market.status(session.session_id) == "refunded"


async def test_early_refund_of_an_unknown_payment_does_not_stop_another(market: Market) -> None:
    session = await a_session(market)

    await market.deliver(early_refund(market))
    await market.deliver(market.paid_event(session))
    await market.deliver(market.paid_event(session, id="pay_3"))
    await market.recover()

    assert await market.status(session.session_id) == "paid"
    assert market.refunds == {}, "the second payment was refunded before it was reported"
    assert (await verified(market))[1] == []


@pytest.mark.parametrize("reference", [None, STRANGER])
async def test_refund_of_a_payment_that_no_session_ever_claims_is_not_made_again(
    market: Market, reference: str | None
) -> None:
    payment = {"client_reference_id": reference, "id": "pay_3", "amount_total": WHOLE}

    await market.deliver(early_refund(market, client_reference_id=reference))
    await market.deliver(market.provider_event("checkout.session.completed", None, **payment))
    await market.recover()

    assert market.refunds == {}
    assert await topics(market.database) == [
        "payment.unmatched-refund-reported",
        "payment.unmatched",
        "payment.unmatched-refunded",
    ]


async def test_refund_that_is_reported_while_its_payment_is_recorded_waits_and_is_not_lost(market: Market) -> None:
    session = await a_session(market)
    refund = early_refund(market)

    async with market.database.transaction() as tx:
        # As the statement that records a payment does, until it is committed.
        await tx.fetchval("SELECT count(*) FROM early_refunds")
        waiting = asyncio.create_task(market.deliver(refund))
        await asyncio.sleep(0.2)
        assert not waiting.done(), "the refund did not wait for the payment"
        await tx.execute("UPDATE sessions SET payment_id = 'pay_3' WHERE id = $1", session.session_id)
    with pytest.raises(Unavailable) as error:
        await waiting

    assert error.value.slug == "refund-delayed"


async def test_payment_that_is_refunded_by_us_makes_no_order_when_its_session_is_reported(market: Market) -> None:
    session = await a_session(market)
    payment = {"client_reference_id": None, "id": "pay_3", "amount_total": WHOLE}

    await market.deliver(market.provider_event("checkout.session.completed", None, **payment))
    await market.deliver(market.paid_event(session, id="pay_3"))
    await market.recover()

    assert await market.status(session.session_id) == "open"
    assert set(market.refunds) == {"pay_3"}
