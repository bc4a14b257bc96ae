"""Concurrent webhooks, expiry and recovery, in any order."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.order.market import Market


async def test_concurrent_webhooks_and_jobs_leave_everything_reconciled(market: Market) -> None:
    dice = random.Random(7)  # noqa: S311  shuffles a test
    shop, payments = market.shop(), set()
    scarce = market.product(shop)
    for _ in range(12):
        sessions = [await market.create_payment_session((market.product(shop), 2)) for _ in range(2)]
        if market.stock[scarce] >= 6:
            sessions.append(await market.create_payment_session((scarce, 6)))
        actions: list[Callable[[], Awaitable[object]]] = [
            lambda: expire_sessions(market.deps),
            lambda: release_due_holds(market.deps),
            lambda: recover_checkouts(market.deps),
            lambda: refund_unmatched_payments(market.deps),
        ]
        for session in sessions:
            payments.add(market.payment_id(session))
            for event in (
                market.paid_event(session),
                market.provider_event("checkout.session.expired", session.session_id),
                market.provider_event("checkout.session.async_payment_failed", session.session_id),
            ):
                actions += [lambda event=event: market.deliver(event)] * 3  # type: ignore[misc]
        market.now += timedelta(minutes=31)
        dice.shuffle(actions)

        await asyncio.gather(*(action() for action in actions))

    await market.recover()
    await market.assert_reconciled(payments=payments)


@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("kind", [UpdateStock, ReleaseStock, RefundPayment])
async def test_call_with_lost_reply_is_repeated(market: Market, kind: type[Call[Any]], *, done: bool) -> None:
    product = market.product(market.shop())
    late = await market.create_payment_session((product, 6))
    await market.advance_clock(minutes=31)
    quick = await market.create_payment_session((product, 7))
    lost: set[type[Call[Any]]] = set()

    def fail() -> None:
        raise Unavailable("unavailable")

    def lose_once(call: Call[Any]) -> Callable[[], None] | None:
        if type(call) is not kind or kind in lost:
            return None
        lost.add(kind)
        if not done:
            fail()
        return fail

    market.before_call = lose_once
    declined = await market.create_payment_session((product, 1))
    for event in (
        market.provider_event("checkout.session.async_payment_failed", declined.session_id),
        market.paid_event(quick),
        market.paid_event(late),
    ):
        with suppress(Unavailable):
            await market.deliver(event)
    await market.recover()

    assert kind in lost
    assert await market.status(quick.session_id) == "paid"
    assert await market.status(late.session_id) == "refunded"
    await market.assert_reconciled(payments={market.payment_id(late), market.payment_id(quick)})
