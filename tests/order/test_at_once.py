"""Everything at once: notices, the sweeper and recovery, in whatever order they fall."""

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
from nextbuy.order.finish_payments import finish_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.order.market import Market


async def test_notices_and_sweepers_at_once_end_as_they_would_one_by_one(market: Market) -> None:
    dice = random.Random(7)  # noqa: S311  shuffles a test
    shop, money = market.shop(), set()
    scarce = market.product(shop)
    for _ in range(12):
        sessions = [await market.basket((market.product(shop), 2)) for _ in range(2)]
        if market.stock[scarce] >= 6:
            sessions.append(await market.basket((scarce, 6)))
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: expire_sessions(market.order),
            lambda: release_due_holds(market.order),
            lambda: finish_payments(market.order),
        ]
        for session in sessions:
            money.add(market.opened[session.session_id].payment_id)
            for event in (
                market.paid(session),
                market.event("checkout.session.expired", session.session_id),
                market.event("payment_intent.payment_failed", session.session_id),
            ):
                acts += [lambda event=event: market.tell(event)] * 3  # type: ignore[misc]
        market.now += timedelta(minutes=31)
        dice.shuffle(acts)
        await asyncio.gather(*(act() for act in acts))
    await market.recover()
    await market.check_books(money_for=money)


@pytest.mark.parametrize("done", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("kind", [UpdateStock, ReleaseStock, RefundPayment])
async def test_an_answer_that_is_lost_is_asked_for_again(market: Market, kind: type[Call[Any]], *, done: bool) -> None:
    product = market.product(market.shop())
    late = await market.basket((product, 6))
    await market.time_passes(minutes=31)
    quick = await market.basket((product, 7))
    lost: set[type[Call[Any]]] = set()

    def away() -> None:
        raise Unavailable("away")

    def spoil(call: Call[Any]) -> Callable[[], None] | None:
        if type(call) is not kind or kind in lost:
            return None
        lost.add(kind)
        if not done:
            away()
        return away

    market.spoil = spoil
    declined = await market.basket((product, 1))
    notices = [
        market.event("payment_intent.payment_failed", declined.session_id),
        market.paid(quick),
        market.paid(late),
    ]
    for notice in notices:
        with suppress(Unavailable):
            await market.tell(notice)
    await market.recover()
    assert kind in lost
    assert await market.status(quick.session_id) == "paid"
    assert await market.status(late.session_id) == "refunded"
    await market.check_books(money_for={market.opened[session.session_id].payment_id for session in (late, quick)})
