"""Sessions whose lives are left to dice: what people, the provider, time and crashes can do to one, in any order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import HoldStock, UpdateStock
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened, RefundPayment
from nextbuy.contracts.values import Money, new_id
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.finish_payments import finish_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.order.crash_points import Crash
from tests.order.market import Market

AT_ONCE: Final = 12
KINDS: Final = {
    "paid": "checkout.session.completed",
    "told twice": "checkout.session.completed",
    "other amount": "checkout.session.completed",
    "other currency": "checkout.session.completed",
    "second payment": "checkout.session.completed",
    "declined": "payment_intent.payment_failed",
    "provider lapses": "checkout.session.expired",
    "provider refunds": "charge.refunded",
}
OTHER: Final[dict[str, dict[str, object]]] = {
    "other amount": {"amount_total": 7},
    "other currency": {"currency": "eur"},
}
OFTEN: Final = {"paid": 6, "declined": 2, "lapse": 2, "recover": 3}
"""How often a thing happens; any other once as often."""
ACTS: Final = [*KINDS, "lapse", "recover"]


class Luck(Struct):
    """What one session meets."""

    id: UUID | None = None
    total: Money = Money(0)
    away: frozenset[type[Call[Any]]] = frozenset()
    """Which calls fail for now."""
    dies: bool = False
    """Whether the process dies with the session opening."""
    meanwhile: str | None = None
    """What happens while the session is opening."""


_luck: ContextVar[Luck] = ContextVar("luck")


class Histories:
    """Makes random histories in a market."""

    def __init__(self, market: Market, seed: int) -> None:
        self.market = market
        self.seed = seed
        self.shops = [market.shop() for _ in range(4)]
        self.goods = [market.product(shop, price=100 + n, stock=10**9) for n, shop in enumerate(self.shops * 2)]
        market.spoil = self._spoil
        self._opens: Callable[[OpenPayment], PaymentOpened] = market.calls.replies[OpenPayment]  # type: ignore[assignment]
        market.calls.replies[OpenPayment] = self._open

    async def make(self, number: int) -> None:
        """Let so many sessions live, some at a time."""
        left = iter(range(number))

        async def worker() -> None:
            for one in left:
                await asyncio.create_task(self._live(Random(f"{self.seed} {one}")))  # noqa: S311  a test's dice

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())

    def _spoil(self, call: Call[Any]) -> None:
        luck = _luck.get(None)
        if luck is None:
            return
        if isinstance(call, HoldStock):
            luck.id = call.session_id
        if type(call) in luck.away:
            raise Unavailable("away")

    async def _open(self, call: OpenPayment) -> PaymentOpened:
        luck = _luck.get()
        luck.total = call.amount
        if luck.meanwhile is not None:
            await self._act(luck.meanwhile, call.reference, luck)
        if luck.dies:
            raise Crash
        return self._opens(call)

    async def _live(self, dice: Random) -> None:
        calls: list[tuple[type[Call[Any]], ...]] = [(), (OpenPayment,), (HoldStock,)]
        luck = Luck(
            away=frozenset(dice.choices(calls, [8, 1, 1])[0]),
            dies=dice.random() < 0.15,
            meanwhile=dice.choice(["lapse", "paid", "other amount", "declined"]) if dice.random() < 0.1 else None,
        )
        _luck.set(luck)
        scarce = self.market.product(dice.choice(self.shops), stock=5)
        basket = {dice.choice([*self.goods, scarce]): dice.randint(1, 3) for _ in range(dice.randint(1, 4))}
        with suppress(AppError, Crash):
            await self.market.basket(*basket.items())
        if luck.id is None:
            return
        luck.total = Money(sum(self.market.products[one][1].amount * units for one, units in basket.items()))
        for _ in range(dice.randint(0, 4)):
            luck.away = frozenset(kind for kind in (UpdateStock, RefundPayment) if dice.random() < 0.15)
            if scarce in basket and dice.random() < 0.4:
                self.market.stock[scarce] = 0
            # One thing after the other, or two or three at once.
            names = dice.choices(ACTS, [OFTEN.get(name, 1) for name in ACTS], k=dice.choice([1, 1, 1, 2, 3]))
            await asyncio.gather(*(self._act(name, luck.id, luck) for name in names))

    async def _act(self, name: str, session_id: UUID, luck: Luck) -> None:
        if name == "lapse":
            await self._lapse(session_id)
        elif name == "recover":
            await self._recover(session_id)
        else:
            other = OTHER.get(name, {})
            payment_id = f"pay_{new_id().hex}" if name == "second payment" else f"pay_{session_id.hex}"
            said = {"amount_total": luck.total.amount, "id": payment_id, **other}
            event = self.market.event(KINDS[name], session_id, **said)
            await asyncio.gather(*(self._quietly(self.market.tell(event)) for _ in range(1 + (name == "told twice"))))

    async def _lapse(self, session_id: UUID) -> None:
        await self.market.database.execute(
            "UPDATE sessions SET ends_at = $2 WHERE id = $1 AND ends_at IS NOT NULL", session_id, self.market.now
        )
        await expire_sessions(self.market.order)

    async def _recover(self, session_id: UUID) -> None:
        for table, key in (("sessions", "id"), ("stray_payments", "session_id")):
            await self.market.database.execute(
                f"UPDATE {table} SET work_at = now() WHERE {key} = $1 AND work_at IS NOT NULL", session_id
            )
        await finish_payments(self.market.order)
        await release_due_holds(self.market.order)

    async def _quietly(self, act: Awaitable[object]) -> None:
        with suppress(AppError):
            await act
