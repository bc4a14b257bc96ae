"""The process dies at each step of a checkout; after recovery, payments, orders and stock agree."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.product import UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.release_due_holds import release_due_holds
from tests.order.crash_points import Crash, CrashingDatabase, CrashPoints
from tests.order.market import Market

MAX_STEPS = 60
Action = Callable[[], Awaitable[object]]
Scenario = Callable[[Market, set[str]], Awaitable[Action]]
"""Prepares a checkout, adds the payments that will be made, and returns the action to interrupt."""


@pytest.fixture
def points(market: Market) -> CrashPoints:
    """The crash points of the market's order service."""
    points = CrashPoints()
    market.deps = replace(market.deps, database=CrashingDatabase(market.database, points))
    market.before_call = points.around_call
    return points


async def open_session(market: Market) -> PaymentSessionCreated:
    return await market.create_payment_session((market.product(market.shop()), 3), (market.product(market.shop()), 2))


async def checkout(market: Market, _payments: set[str]) -> Action:
    return lambda: open_session(market)


async def paid(market: Market, payments: set[str]) -> Action:
    session = await open_session(market)
    payments.add(market.payment_id(session))
    event = market.paid_event(session)
    return lambda: market.deliver(event)


async def paid_after_expiry(market: Market, payments: set[str]) -> Action:
    session = await open_session(market)
    await market.advance_clock(minutes=31)
    payments.add(market.payment_id(session))
    event = market.paid_event(session)
    return lambda: market.deliver(event)


async def paid_when_sold_out(market: Market, payments: set[str]) -> Action:
    product = market.product(market.shop())
    session = await market.create_payment_session((product, 6))
    await market.advance_clock(minutes=31)
    other = await market.create_payment_session((product, 7))
    await market.deliver(market.paid_event(other))
    payments |= {market.payment_id(session), market.payment_id(other)}
    event = market.paid_event(session)
    return lambda: market.deliver(event)


async def wrong_amount(market: Market, payments: set[str]) -> Action:
    session = await open_session(market)
    payments.add(market.payment_id(session))
    event = market.paid_event(session, amount_total=1)
    return lambda: market.deliver(event)


async def declined(market: Market, _payments: set[str]) -> Action:
    session = await open_session(market)
    event = market.provider_event("checkout.session.async_payment_failed", session.session_id)
    return lambda: market.deliver(event)


async def unmatched(market: Market, payments: set[str]) -> Action:
    payment_id = f"pay_{new_id().hex}"
    payments.add(payment_id)
    event = market.provider_event("checkout.session.completed", new_id(), id=payment_id, amount_total=5)
    return lambda: market.deliver(event)


async def recovery(market: Market, payments: set[str]) -> Action:
    session = await open_session(market)
    payments.add(market.payment_id(session))
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("unavailable")
    with pytest.raises(Unavailable):
        await market.deliver(market.paid_event(session))
    market.calls.replies[UpdateStock] = usual
    await market.expire_claims()
    return lambda: recover_checkouts(market.deps)


async def expiry(market: Market, _payments: set[str]) -> Action:
    await open_session(market)

    async def run_jobs() -> None:
        await expire_sessions(market.deps)
        await release_due_holds(market.deps)

    await market.database.execute("UPDATE sessions SET expiry_due_at = $1 WHERE expiry_due_at IS NOT NULL", market.now)
    return run_jobs


@pytest.mark.parametrize("recovers_first", [True, False], ids=["recovery-then-redelivery", "redelivery-then-recovery"])
@pytest.mark.parametrize(
    "prepare",
    [checkout, paid, paid_after_expiry, paid_when_sold_out, wrong_amount, declined, unmatched, recovery, expiry],
)
async def test_crash_at_any_step_leaves_payments_orders_and_stock_reconciled(
    market: Market, points: CrashPoints, prepare: Scenario, *, recovers_first: bool
) -> None:
    payments: set[str] = set()
    for step in range(MAX_STEPS):
        points.reset(crash_at=None)
        action = await prepare(market, payments)
        points.reset(crash_at=step)
        crashed = False
        try:
            await action()
        except Crash:
            crashed = True
        # A crash inside of a task of its own is counted, though it does not arrive here.
        crashed = crashed or points.steps >= step
        points.reset(crash_at=None)

        if recovers_first:
            await market.advance_clock(minutes=2)
        if crashed and prepare is not checkout:
            await action()
        await market.advance_clock(minutes=2)

        await market.assert_reconciled(payments=payments)
        if not crashed:
            assert step > 3, "the action has no step at which it could crash"
            return
    pytest.fail(f"the action has more than {MAX_STEPS} steps")


@pytest.mark.parametrize(
    ("fails", "cause"), [(False, "the claim of another process expired"), (True, "after a failure")]
)
async def test_recovery_says_why_it_takes_over(market: Market, *, fails: bool, cause: str) -> None:
    session = await open_session(market)
    usual = market.calls.replies[UpdateStock]
    market.calls.replies[UpdateStock] = Unavailable("unavailable") if fails else Crash()
    with pytest.raises((Unavailable, Crash)):
        await market.deliver(market.paid_event(session))
    market.calls.replies[UpdateStock] = usual
    steps: list[tuple[str, str]] = []
    market.deps.journal.recorder = lambda one, _line, sampled: steps.append((one.name, one.outcome))  # noqa: ARG005

    await market.recover()

    assert steps == [("resume-checkout", f"attempt 2, {cause}"), ("create-orders", "2 orders")]


async def test_concurrent_copies_complete_each_checkout_once(market: Market) -> None:
    payments: set[str] = set()
    for _ in range(12):
        await recovery(market, payments)
    await market.database.execute("UPDATE sessions SET completion_due_at = now() WHERE completion_due_at IS NOT NULL")
    before = len(market.calls.of_type(UpdateStock))

    await asyncio.gather(*(recover_checkouts(market.deps) for _ in range(8)))

    assert len(market.calls.of_type(UpdateStock)) == before + 12
    await market.assert_reconciled(payments=payments)


async def test_late_copy_that_lost_its_claim_creates_no_orders(market: Market) -> None:
    session = await open_session(market)
    usual = market.calls.replies[UpdateStock]

    async def slow(call: UpdateStock) -> object:
        market.calls.replies[UpdateStock] = usual
        await market.recover()
        return usual(call)  # type: ignore[operator]

    market.calls.replies[UpdateStock] = slow
    assert (await market.deliver(market.paid_event(session))).status == 200

    await market.assert_reconciled(payments={market.payment_id(session)})
