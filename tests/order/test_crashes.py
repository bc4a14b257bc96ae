"""The process dies at each step of a purchase; at the end the books are right by themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.finish_payments import finish_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.order.crash_points import Crash, Fate, MortalDatabase
from tests.order.market import Market

MOST_STEPS = 60
Act = Callable[[], Awaitable[object]]
Prepare = Callable[[Market, set[str]], Awaitable[Act]]
"""Makes ready for a purchase, adds the payments that money comes by, and returns the act that dies."""


@pytest.fixture
def fate(market: Market) -> Fate:
    """The fate of the market's order service."""
    fate = Fate()
    market.order = replace(market.order, database=MortalDatabase(market.database, fate))
    market.spoil = fate.around
    return fate


async def a_basket(market: Market) -> PaymentSessionCreated:
    return await market.basket((market.product(market.shop()), 3), (market.product(market.shop()), 2))


def payment_of(market: Market, session: PaymentSessionCreated) -> str:
    return market.opened[session.session_id].payment_id


async def checkout(market: Market, _money: set[str]) -> Act:
    return lambda: a_basket(market)


async def paid(market: Market, money: set[str]) -> Act:
    session = await a_basket(market)
    money.add(payment_of(market, session))
    event = market.paid(session)
    return lambda: market.tell(event)


async def paid_after_expiry(market: Market, money: set[str]) -> Act:
    session = await a_basket(market)
    await market.time_passes(minutes=31)
    money.add(payment_of(market, session))
    event = market.paid(session)
    return lambda: market.tell(event)


async def paid_when_sold_out(market: Market, money: set[str]) -> Act:
    product = market.product(market.shop())
    session = await market.basket((product, 6))
    await market.time_passes(minutes=31)
    other = await market.basket((product, 7))
    await market.tell(market.paid(other))
    money |= {payment_of(market, session), payment_of(market, other)}
    event = market.paid(session)
    return lambda: market.tell(event)


async def wrong_amount(market: Market, money: set[str]) -> Act:
    session = await a_basket(market)
    money.add(payment_of(market, session))
    event = market.paid(session, amount_total=1)
    return lambda: market.tell(event)


async def declined(market: Market, _money: set[str]) -> Act:
    session = await a_basket(market)
    event = market.event("checkout.session.async_payment_failed", session.session_id)
    return lambda: market.tell(event)


async def stray(market: Market, money: set[str]) -> Act:
    payment_id = f"pay_{new_id().hex}"
    money.add(payment_id)
    event = market.event("checkout.session.completed", new_id(), id=payment_id, amount_total=5)
    return lambda: market.tell(event)


async def recovery(market: Market, money: set[str]) -> Act:
    session = await a_basket(market)
    money.add(payment_of(market, session))
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("away")
    with pytest.raises(Unavailable):
        await market.tell(market.paid(session))
    market.calls.replies[UpdateStock] = usual
    await market.database.execute("UPDATE sessions SET work_at = now() WHERE work_at IS NOT NULL")
    return lambda: finish_payments(market.order)


async def expiry(market: Market, _money: set[str]) -> Act:
    await a_basket(market)

    async def act() -> None:
        await expire_sessions(market.order)
        await release_due_holds(market.order)

    now = market.now
    await market.database.execute("UPDATE sessions SET ends_at = $1 WHERE ends_at IS NOT NULL", now)
    return act


@pytest.mark.parametrize("recovers_first", [True, False], ids=["recovery-then-redelivery", "redelivery-then-recovery"])
@pytest.mark.parametrize(
    "prepare",
    [checkout, paid, paid_after_expiry, paid_when_sold_out, wrong_amount, declined, stray, recovery, expiry],
)
async def test_a_crash_at_any_step_leaves_the_books_right(
    market: Market, fate: Fate, prepare: Prepare, *, recovers_first: bool
) -> None:
    money: set[str] = set()
    for step in range(MOST_STEPS):
        fate.live_until(None)
        act = await prepare(market, money)
        fate.live_until(step)
        died = False
        try:
            await act()
        except Crash:
            died = True
        died = died or fate.steps >= step
        fate.live_until(None)
        if recovers_first:
            await market.time_passes(minutes=2)
        if died and prepare is not checkout:
            await act()
        await market.time_passes(minutes=2)
        await market.check_books(money_for=money)
        if not died:
            assert step > 3, "nothing was done that could have been interrupted"
            return
    pytest.fail("it never ends")


async def test_many_copies_recover_at_once_and_each_thing_is_done_once(market: Market) -> None:
    money: set[str] = set()
    for _ in range(12):
        await recovery(market, money)
    await market.database.execute("UPDATE sessions SET work_at = now() WHERE work_at IS NOT NULL")
    already = len(market.calls.of_type(UpdateStock))
    await asyncio.gather(*(finish_payments(market.order) for _ in range(8)))
    assert len(market.calls.of_type(UpdateStock)) == already + 12
    await market.check_books(money_for=money)


async def test_a_late_copy_that_lost_its_claim_writes_nothing(market: Market) -> None:
    session = await a_basket(market)
    usual = market.calls.replies[UpdateStock]

    async def slow(call: UpdateStock) -> object:
        market.calls.replies[UpdateStock] = usual
        await market.recover()
        return usual(call)  # type: ignore[operator]

    market.calls.replies[UpdateStock] = slow
    assert (await market.tell(market.paid(session))).status == 200
    await market.check_books(money_for={payment_of(market, session)})
