"""Paid checkouts, refunds and stock releases that keep failing are listed, tried again, and given up by an admin."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.order import PaymentGivenUp, Reason, ReleaseGivenUp, UnmatchedPaymentGivenUp
from nextbuy.contracts.product import ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.contracts.values import Money, PageRequest, Role, new_id
from nextbuy.kit.stuck import GiveUp, Stuck, StuckRef
from nextbuy.order.audit import audit
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.give_up_stuck import give_up_stuck
from nextbuy.order.history import decode_event
from nextbuy.order.payment_session import payment_session
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from nextbuy.order.retry_stuck import retry_stuck
from nextbuy.order.shown_session import PaymentSessionRequest
from nextbuy.order.stuck import stuck
from nextbuy.order.verify_history import VerifyHistory, verify_history
from tests.callers import account, caller
from tests.order.market import Market
from tests.outbox import published, topics

ADMIN = caller(account(Role.ADMIN))


def break_calls(market: Market, *kinds: type[Call[Any]]) -> None:
    """Have calls of these kinds fail from now on; without kinds, have all succeed."""

    def fail(call: Call[Any]) -> None:
        if isinstance(call, kinds):
            raise Unavailable("No answer.")

    market.before_call = fail


async def age(market: Market) -> None:
    """Have all work fail once more, and let a quarter of an hour pass."""
    await market.recover()
    for table, prefix in (("sessions", "completion"), ("sessions", "release"), ("unmatched_payments", "refund")):
        column = f"{prefix}_failing_since"
        await market.database.execute(f"UPDATE {table} SET {column} = {column} - interval '15 minutes'")


async def listed(market: Market) -> list[Stuck]:
    return (await stuck(market.deps, ADMIN, PageRequest())).items


async def give_up(market: Market, work: Stuck, reason: str = "the provider is gone") -> Stuck:
    return await give_up_stuck(market.deps, ADMIN, GiveUp(work.id, reason))


async def assert_history_agrees(market: Market) -> None:
    """Check that sessions equal what their events say."""
    verified = await verify_history(market.deps, ADMIN, VerifyHistory())
    assert verified.items == []
    assert verified.verified > 0


async def paid_checkout(market: Market, **fields: object) -> PaymentSessionCreated:
    """Check out three units and pay, whatever fails then."""
    session = await market.create_payment_session((market.product(market.shop()), 3))
    with suppress(Unavailable):
        await market.deliver(market.paid_event(session, **fields))
    return session


async def stuck_checkout(market: Market) -> tuple[PaymentSessionCreated, Stuck]:
    """Return a paid checkout that cannot be completed, because the product service does not answer."""
    break_calls(market, UpdateStock)
    session = await paid_checkout(market)
    await age(market)
    [work] = await listed(market)
    return session, work


async def test_paid_checkout_without_orders_is_listed_with_its_last_error(market: Market) -> None:
    session, work = await stuck_checkout(market)

    assert (work.id, work.kind, work.reason) == (str(session.session_id), "checkout", "unavailable: No answer.")
    assert work.attempts > 1


async def test_retried_checkout_is_completed(market: Market) -> None:
    session, work = await stuck_checkout(market)
    break_calls(market)
    assert not await recover_checkouts(market.deps)
    assert await market.status(session.session_id) == "paying"

    await retry_stuck(market.deps, ADMIN, StuckRef(work.id))
    await recover_checkouts(market.deps)

    assert await market.status(session.session_id) == "paid"
    assert await listed(market) == []
    await market.assert_reconciled(payments={market.payment_id(session)})


async def test_checkout_that_fails_because_of_a_bug_is_stuck_as_well(market: Market) -> None:
    market.calls.replies[UpdateStock] = RuntimeError("a bug")
    session = await market.create_payment_session((market.product(market.shop()), 3))
    with pytest.raises(RuntimeError, match="a bug"):
        await market.deliver(market.paid_event(session))
    await age(market)

    [work] = await listed(market)

    assert work.reason == "RuntimeError: a bug"


async def test_given_up_checkout_keeps_its_payment_and_releases_its_stock(market: Market) -> None:
    session, work = await stuck_checkout(market)
    break_calls(market)

    await give_up(market, work)
    await market.recover()

    row = await market.database.fetchrow("SELECT * FROM sessions")
    assert row is not None
    assert (row["status"], row["reason"], row["give_up_note"]) == ("given-up", "not-completed", "the provider is gone")
    assert (row["received"], row["payment_id"]) == (session.total.amount, market.payment_id(session))
    assert market.held == {}
    assert await market.database.fetchval("SELECT count(*) FROM orders") == 0
    assert market.refunds == {}
    assert await listed(market) == []
    await assert_history_agrees(market)


async def test_giving_up_is_published_for_the_buyer_and_recorded_for_admins(market: Market) -> None:
    session, work = await stuck_checkout(market)

    await give_up(market, work)

    event = decode_event((await published(market.database))[-1])
    assert event == PaymentGivenUp(
        session_id=session.session_id,
        buyer_id=market.buyer.id,
        payment_id=market.payment_id(session),
        total=session.total,
        reason=Reason.NOT_COMPLETED,
        note="the provider is gone",
    )
    [entry] = (await audit(market.deps, ADMIN, PageRequest())).items
    assert (entry.action, entry.subject, entry.details["reason"]) == ("give-up-stuck", work.id, "the provider is gone")


async def test_payment_refunded_by_hand_ends_a_given_up_checkout(market: Market) -> None:
    session, work = await stuck_checkout(market)
    await give_up(market, work)
    buyer = caller(market.buyer)
    request = PaymentSessionRequest(session.session_id)
    assert (await payment_session(market.deps, buyer, request)).status == "open"

    await market.deliver(market.provider_event("charge.refunded", session.session_id, refunded=True))

    assert (await payment_session(market.deps, buyer, request)).status == "refunded"
    await assert_history_agrees(market)


async def test_given_up_checkout_is_not_completed_by_a_duplicate_webhook(market: Market) -> None:
    session, work = await stuck_checkout(market)
    await give_up(market, work)
    break_calls(market)

    await market.deliver(market.paid_event(session))
    await market.recover()

    assert await market.status(session.session_id) == "given-up"
    assert market.refunds == {}
    assert market.sold == {}


async def test_refund_that_fails_is_given_up_with_its_own_reason(market: Market) -> None:
    break_calls(market, RefundPayment)
    session = await paid_checkout(market, amount_total=1)
    await age(market)
    [work] = await listed(market)
    assert (work.id, work.kind) == (market.payment_id(session), "refund")

    await give_up(market, work)

    row = await market.database.fetchrow("SELECT * FROM sessions")
    assert row is not None
    assert (row["status"], row["reason"], row["received"]) == ("given-up", "wrong-amount", 1)
    assert (await topics(market.database))[-1] == "payment.given-up"
    await assert_history_agrees(market)


async def test_retried_refund_is_made(market: Market) -> None:
    break_calls(market, RefundPayment)
    session = await paid_checkout(market, amount_total=1)
    await age(market)
    break_calls(market)

    await retry_stuck(market.deps, ADMIN, StuckRef(market.payment_id(session)))
    await recover_checkouts(market.deps)

    assert await market.status(session.session_id) == "refunded"


async def unmatched_payment(market: Market) -> PaymentSessionCreated:
    """Pay a checkout a second time, while refunds fail."""
    session = await paid_checkout(market)
    break_calls(market, RefundPayment)
    await market.deliver(market.paid_event(session, id="pay_second"))
    await age(market)
    return session


async def test_refund_of_an_unmatched_payment_is_given_up(market: Market) -> None:
    session = await unmatched_payment(market)
    [work] = await listed(market)
    assert (work.id, work.kind) == ("pay_second", "unmatched-refund")

    await give_up(market, work)
    break_calls(market)
    await market.recover()

    assert market.refunds == {}
    assert await market.database.fetchval("SELECT give_up_note FROM unmatched_payments") == "the provider is gone"
    event = decode_event((await published(market.database))[-1])
    assert isinstance(event, PaymentGivenUp)
    assert (event.payment_id, event.total) == ("pay_second", Money(session.total.amount))
    assert await market.status(session.session_id) == "paid"
    await assert_history_agrees(market)


async def test_refund_of_a_payment_for_an_unknown_checkout_is_given_up(market: Market) -> None:
    break_calls(market, RefundPayment)
    session_id = new_id()
    await market.deliver(market.provider_event("checkout.session.completed", session_id, id="pay_lost", amount_total=5))
    await age(market)
    [work] = await listed(market)
    assert (work.id, work.kind) == ("pay_lost", "unmatched-refund")

    await give_up(market, work)
    break_calls(market)
    await market.recover()

    assert market.refunds == {}
    assert decode_event((await published(market.database))[-1]) == UnmatchedPaymentGivenUp(
        payment_id="pay_lost",
        total=Money(5),
        session_id=session_id,
        reason=Reason.UNMATCHED,
        note="the provider is gone",
    )


async def test_retried_refund_of_an_unmatched_payment_is_made(market: Market) -> None:
    await unmatched_payment(market)
    break_calls(market)
    await refund_unmatched_payments(market.deps)
    assert market.refunds == {}

    await retry_stuck(market.deps, ADMIN, StuckRef("pay_second"))
    await refund_unmatched_payments(market.deps)

    assert "pay_second" in market.refunds
    assert await listed(market) == []


async def stuck_release(market: Market) -> UUID:
    """Return an expired checkout that holds stock, because the product service does not answer."""
    session = await market.create_payment_session((market.product(market.shop()), 3))
    break_calls(market, ReleaseStock)
    await market.advance_clock(minutes=31)
    await age(market)
    return session.session_id


async def test_retried_release_returns_the_stock(market: Market) -> None:
    session_id = await stuck_release(market)
    [work] = await listed(market)
    assert (work.id, work.kind) == (str(session_id), "stock-release")
    break_calls(market)

    await retry_stuck(market.deps, ADMIN, StuckRef(work.id))
    await release_due_holds(market.deps)

    assert market.held == {}
    assert await listed(market) == []


async def test_given_up_release_is_published_and_not_tried_again(market: Market) -> None:
    session_id = await stuck_release(market)
    [work] = await listed(market)

    await give_up(market, work)
    break_calls(market)
    await market.recover()

    assert set(market.held) == {session_id}
    assert await market.status(session_id) == "expired"
    event = decode_event((await published(market.database))[-1])
    assert event == ReleaseGivenUp(session_id=session_id, buyer_id=market.buyer.id, note="the provider is gone")
    await assert_history_agrees(market)
    failure = await market.database.fetchval("SELECT release_failure FROM sessions")
    assert failure == "given up: the provider is gone"


async def test_checkout_that_is_being_completed_cannot_be_given_up(market: Market) -> None:
    session, work = await stuck_checkout(market)
    await market.database.execute("UPDATE sessions SET completion_due_at = now() + interval '6 seconds'")

    with pytest.raises(Conflict):
        await give_up(market, work)

    assert await market.status(session.session_id) == "paying"


async def test_checkout_that_is_complete_is_not_found(market: Market) -> None:
    session = await paid_checkout(market)

    with pytest.raises(NotFound):
        await retry_stuck(market.deps, ADMIN, StuckRef(str(session.session_id)))
    with pytest.raises(NotFound):
        await give_up_stuck(market.deps, ADMIN, GiveUp(str(session.session_id), "why not"))
