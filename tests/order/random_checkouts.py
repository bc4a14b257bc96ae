"""Random checkouts: what buyers, the provider, time and crashes can do to a session, in any order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from random import Random
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import HoldStock, ReleaseStock, UpdateStock
from nextbuy.contracts.simulator import ClosePayment, OpenPayment, PaymentOpened, RefundPayment
from nextbuy.contracts.values import Money, Role, new_id
from nextbuy.kit.stuck import GiveUp
from nextbuy.order.cancel_payment_session import cancel_payment_session
from nextbuy.order.create_payment_session import DeliveryAddress
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.give_up_stuck import give_up_stuck
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from nextbuy.order.shown_session import PaymentSessionRequest
from tests.callers import account, caller
from tests.order.crash_points import Crash
from tests.order.market import Market

CONCURRENCY: Final = 12
EVENT_TYPES: Final = {
    "paid": "checkout.session.completed",
    "reported twice": "checkout.session.completed",
    "wrong amount": "checkout.session.completed",
    "wrong currency": "checkout.session.completed",
    "second payment": "checkout.session.completed",
    "declined": "payment_intent.payment_failed",
    "payment fails": "checkout.session.async_payment_failed",
    "provider expires": "checkout.session.expired",
    "provider refunds": "charge.refunded",
    "provider refunds a part": "charge.refunded",
}
EVENT_FIELDS: Final[dict[str, dict[str, object]]] = {
    "wrong amount": {"amount_total": 7},
    "wrong currency": {"currency": "eur"},
    "provider refunds": {"refunded": True},
    "provider refunds a part": {"amount_refunded": 1},
}
WEIGHTS: Final = {"paid": 6, "cancel": 2, "replace": 2, "declined": 2, "expire": 2, "recover": 3, "give up": 4}
"""The relative frequency of an action; 1 for the others."""
ACTIONS: Final = [*EVENT_TYPES, "expire", "recover", "give up", "cancel", "replace"]
FAILING: Final[dict[type[Call[Any]], float]] = {
    UpdateStock: 0.3,
    RefundPayment: 0.5,
    ReleaseStock: 0.3,
    ClosePayment: 0.2,
    HoldStock: 0.1,
    OpenPayment: 0.1,
}
"""The chance that calls of a kind fail during the next actions."""
ADDRESS: Final = DeliveryAddress("Ada Winter", "12 Harbour Street", "Portland", "97201", "US")


class Plan(Struct):
    """The faults and their effect on a checkout."""

    buyer: Account
    totals: dict[UUID, Money] = {}
    """The buyer's sessions, with their totals. The last may be open."""
    total: Money = Money(0)
    """The total of the session that is being created."""
    failing: frozenset[type[Call[Any]]] = frozenset()
    """The calls that fail for now."""
    crashes: bool = False
    """Whether the process dies while the session is opening."""
    meanwhile: str | None = None
    """An action while the session is opening."""


_plan: ContextVar[Plan] = ContextVar("plan")


class RandomCheckouts:
    """Runs random checkouts in a market."""

    def __init__(self, market: Market, seed: int) -> None:
        self.market = market
        self.seed = seed
        self.shops = [market.shop() for _ in range(4)]
        self.goods = [market.product(shop, price=100 + n, stock=10**9) for n, shop in enumerate(self.shops * 2)]
        market.before_call = self._before_call
        self._reply_open: Callable[[OpenPayment], PaymentOpened] = market.calls.replies[OpenPayment]  # type: ignore[assignment]
        market.calls.replies[OpenPayment] = self._open

    async def run(self, number: int) -> None:
        """Run a number of checkouts, some concurrently."""
        left = iter(range(number))

        async def worker() -> None:
            for one in left:
                await asyncio.create_task(self._check_out(Random(f"{self.seed} {one}")))  # noqa: S311  a test's dice

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(worker())

    def _before_call(self, call: Call[Any]) -> None:
        plan = _plan.get(None)
        if plan is None:
            return
        if isinstance(call, HoldStock):
            plan.totals.setdefault(call.session_id, plan.total)
        if type(call) in plan.failing:
            raise Unavailable("unavailable")

    async def _open(self, call: OpenPayment) -> PaymentOpened:
        plan = _plan.get(None)
        if plan is None:
            return self._reply_open(call)
        if plan.meanwhile is not None:
            await self._act(plan.meanwhile, call.reference, plan)
        if plan.crashes:
            raise Crash
        return self._reply_open(call)

    async def _check_out(self, dice: Random) -> None:
        calls: list[tuple[type[Call[Any]], ...]] = [(), (OpenPayment,), (HoldStock,)]
        plan = Plan(
            buyer=account(Role.BUYER),
            failing=frozenset(dice.choices(calls, [8, 1, 1])[0]),
            crashes=dice.random() < 0.15,
            meanwhile=dice.choice(["expire", "paid", "wrong amount", "declined", "payment fails"])
            if dice.random() < 0.1
            else None,
        )
        _plan.set(plan)
        scarce = self.market.product(dice.choice(self.shops), stock=5)
        await self._start(dice, scarce, plan)
        if not plan.totals:
            return
        for _ in range(dice.randint(0, 4)):
            plan.failing = frozenset(kind for kind, chance in FAILING.items() if dice.random() < chance)
            if dice.random() < 0.3:
                self.market.stock[scarce] = 0
            # One action at a time, or two or three concurrently.
            names = dice.choices(ACTIONS, [WEIGHTS.get(name, 1) for name in ACTIONS], k=dice.choice([1, 1, 1, 2, 3]))
            sessions = list(plan.totals)
            if "replace" in names:
                await self._start(dice, scarce, plan)
            await asyncio.gather(*(self._act(name, dice.choice(sessions), plan) for name in names))

    async def _start(self, dice: Random, scarce: UUID, plan: Plan) -> None:
        """Start a checkout, which replaces an open one of the same buyer."""
        basket = {dice.choice([*self.goods, scarce]): dice.randint(1, 3) for _ in range(dice.randint(1, 4))}
        prices = self.market.products.products
        plan.total = Money(sum(prices[product][1].amount * units for product, units in basket.items()))
        address = ADDRESS if dice.random() < 0.5 else None
        with suppress(AppError, Crash):
            await self.market.create_payment_session(*basket.items(), address=address, by=plan.buyer)

    async def _act(self, name: str, session_id: UUID, plan: Plan) -> None:
        if name == "expire":
            await self._expire(session_id)
        elif name == "recover":
            await self._recover(session_id)
        elif name == "give up":
            await self._give_up(session_id)
        elif name == "cancel":
            request = PaymentSessionRequest(session_id)
            await self._suppress_errors(cancel_payment_session(self.market.deps, caller(plan.buyer), request))
        elif name != "replace":
            payment_id = f"pay_{new_id().hex}" if name == "second payment" else f"pay_{session_id.hex}"
            fields = {"amount_total": plan.totals[session_id].amount, "id": payment_id, **EVENT_FIELDS.get(name, {})}
            if name == "paid" and payment_id not in self.market.closed:
                self.market.paid.add(payment_id)
            event = self.market.provider_event(EVENT_TYPES[name], session_id, **fields)
            copies = 2 if name == "reported twice" else 1
            await asyncio.gather(*(self._suppress_errors(self.market.deliver(event)) for _ in range(copies)))

    async def _expire(self, session_id: UUID) -> None:
        await self.market.database.execute(
            "UPDATE sessions SET expiry_due_at = $2 WHERE id = $1 AND expiry_due_at IS NOT NULL",
            session_id,
            self.market.now,
        )
        await expire_sessions(self.market.deps)

    async def _recover(self, session_id: UUID) -> None:
        await self.market.database.execute(
            "UPDATE sessions SET completion_due_at = now() WHERE id = $1 AND completion_due_at IS NOT NULL", session_id
        )
        await self.market.database.execute(
            "UPDATE unmatched_payments SET refund_due_at = now() WHERE session_id = $1 AND refund_due_at IS NOT NULL",
            session_id,
        )
        await recover_checkouts(self.market.deps)
        await refund_unmatched_payments(self.market.deps)
        await release_due_holds(self.market.deps)

    async def _give_up(self, session_id: UUID) -> None:
        """Give up the due work of a session, as if it had failed for an hour."""
        admin = caller(account(Role.ADMIN))
        for table, key, prefix in (
            ("sessions", "id", "completion"),
            ("sessions", "id", "release"),
            ("unmatched_payments", "session_id", "refund"),
        ):
            rows = await self.market.database.fetch(
                f"""
                UPDATE {table} SET {prefix}_failing_since = now() - interval '1 hour',
                                   {prefix}_delayed_until = {prefix}_due_at
                 WHERE {key} = $1 AND {prefix}_due_at IS NOT NULL RETURNING *
                """,
                session_id,
            )
            for row in rows:
                for stuck_id in {str(row.get("id", "")), row["payment_id"] or ""} - {""}:
                    request = GiveUp(stuck_id, "a test gives up")
                    await self._suppress_errors(give_up_stuck(self.market.deps, admin, request))
        if session_id.int % 2:
            # The operator makes the refund by hand.
            await self._suppress_errors(
                self.market.deliver(self.market.provider_event("charge.refunded", session_id, refunded=True))
            )

    async def _suppress_errors(self, action: Awaitable[object]) -> None:
        with suppress(AppError):
            await action
