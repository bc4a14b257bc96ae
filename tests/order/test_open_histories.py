"""Random histories of one buyer's checkouts: neither money nor a unit is lost, whatever happens in which order."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Final
from uuid import UUID

import pytest

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.values import Role
from nextbuy.order.cancel_payment_session import cancel_payment_session
from nextbuy.order.create_payment_session import PaymentSessionCreated
from nextbuy.order.shown_session import PaymentSessionRequest
from tests.callers import account, caller
from tests.order.crash_points import Crash, CrashingDatabase, CrashPoints
from tests.order.market import Market

HISTORIES: Final = 20
LENGTH: Final = 14
CRASHES: Final = 0.3
"""The share of acts in which the process dies."""


class OneBuyer:
    """A buyer of scarce goods, with a provider that takes a payment unless its page was closed before."""

    def __init__(self, market: Market, dice: Random) -> None:
        self.market, self.dice = market, dice
        self.market.buyer = account(Role.BUYER)
        shop = market.shop()
        self.goods = [market.product(shop), market.product(shop)]
        self.points = CrashPoints()
        market.deps = replace(market.deps, database=CrashingDatabase(market.database, self.points))
        market.before_call = self.points.around_call
        self.sessions: list[PaymentSessionCreated] = []
        self.events: list[dict[str, object]] = []
        self.payments: set[str] = set()

    async def act(self) -> None:
        """Do something, and perhaps die at one of its steps."""
        acts: list[Callable[[], Awaitable[object]]] = [self.start, self.start, self.jobs]
        if self.sessions:
            acts += [self.cancel, self.pay, self.pay, self.decline, self.expire]
        if self.events:
            acts += [self.report]
        self.points.reset(self.dice.randint(0, 12) if self.dice.random() < CRASHES else None)
        with suppress(AppError, Crash):
            await self.dice.choice(acts)()
        self.points.reset(None)

    async def start(self) -> None:
        """Start a checkout, which may replace another."""
        lines = [(product, self.dice.randint(1, 6)) for product in self.goods if self.dice.random() < 0.7]
        if lines:
            self.sessions.append(await self.market.create_payment_session(*lines, by=self.market.buyer))

    async def cancel(self) -> None:
        """Cancel any checkout."""
        request = PaymentSessionRequest(self.any_session().session_id)
        await cancel_payment_session(self.market.deps, caller(self.market.buyer), request)

    async def pay(self) -> None:
        """Pay at the provider, which reports it now or later; a slow method of payment ignores that the page closes."""
        session = self.any_session()
        payment_id = self.market.payment_id(session)
        if payment_id in self.market.closed and self.dice.random() < 0.7:
            return
        if payment_id not in self.payments:
            self.payments.add(payment_id)
            self.market.paid.add(payment_id)
            self.events.append(self.market.paid_event(session))

    async def report(self) -> None:
        """Report a payment, perhaps again."""
        await self.market.deliver(self.dice.choice(self.events))

    async def decline(self) -> None:
        """Decline a card, or end the payment as failed."""
        await self.market.deliver(
            self.market.provider_event(
                self.dice.choice(["payment_intent.payment_failed", "checkout.session.async_payment_failed"]),
                self.any_session().session_id,
            )
        )

    async def expire(self) -> None:
        """Let time pass, so that open checkouts may expire."""
        await self.market.advance_clock(minutes=self.dice.choice([1, 31]))

    async def jobs(self) -> None:
        """Run the jobs."""
        await self.market.recover()

    def any_session(self) -> PaymentSessionCreated:
        """Return the last checkout, or an earlier one."""
        return self.sessions[-1] if self.dice.random() < 0.7 else self.dice.choice(self.sessions)


async def open_ones(market: Market) -> list[UUID]:
    """Return the open checkouts of the buyer."""
    rows = await market.database.fetch(
        "SELECT id FROM sessions WHERE buyer_id = $1 AND status IN ('opening', 'open')", market.buyer.id
    )
    return [row["id"] for row in rows]


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_money_and_units_are_conserved_in_every_history(market: Market, seed: int) -> None:
    buyer = OneBuyer(market, Random(seed))  # noqa: S311  a test's dice
    for _ in range(LENGTH):
        await buyer.act()
        assert len(await open_ones(market)) <= 1

    for event in buyer.events:
        with suppress(AppError):
            await market.deliver(event)
    await market.recover()
    await market.advance_clock(minutes=31)

    assert await open_ones(market) == []
    assert market.held == {}
    await market.assert_reconciled(payments=buyer.payments)
