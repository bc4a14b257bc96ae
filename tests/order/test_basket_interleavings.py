"""Random additions, replacements, merges and payments: a basket is what some order of them makes of it.

The model is a dict of quantities. Operations that run at the same time must leave what one of their orders leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import permutations
from random import Random
from typing import Final
from uuid import UUID

import pytest

from nextbuy.contracts.values import Role
from nextbuy.order.create_payment_session import PaymentSessionCreated
from tests.callers import account
from tests.order.basket_client import Browser
from tests.order.market import Market

Units = dict[UUID, int]
_SEQUENCES: Final = 8
_LENGTH: Final = 12
_AT_ONCE: Final = 4


@dataclass
class Baskets:
    """The basket of a buyer, and that of the browser in which the buyer logs in."""

    own: Units = field(default_factory=dict)
    guest: Units = field(default_factory=dict)

    def copy(self) -> "Baskets":
        """Return a copy that may change."""
        return Baskets(dict(self.own), dict(self.guest))

    def merge(self) -> None:
        """Merge the browser's basket into the buyer's."""
        for product, quantity in self.guest.items():
            self.own[product] = max(quantity, self.own.get(product, 0))
        self.guest = {}

    def pay(self, bought: Units) -> None:
        """Take what was bought out of the buyer's basket."""
        left = {product: quantity - bought.get(product, 0) for product, quantity in self.own.items()}
        self.own = {product: quantity for product, quantity in left.items() if quantity > 0}


Operation = tuple[str, Callable[[], Awaitable[object]], Callable[[Baskets], None]]
"""A description, the operation, and its effect on the model."""


class Run:
    """A buyer with tabs, and the browser in which a guest fills a basket and the buyer then logs in."""

    def __init__(self, market: Market, random: Random) -> None:
        self.market, self.random = market, random
        self.buyer = account(Role.BUYER)
        self.browser = Browser(market)
        shop = market.shop()
        self.products = [market.product(shop, stock=1_000_000) for _ in range(3)]
        self.expected = Baskets()

    def _units(self) -> Units:
        chosen = self.random.sample(self.products, self.random.randint(1, 3))
        return {product: self.random.randint(1, 5) for product in chosen}

    def add(self, *, as_guest: bool = False) -> Operation:
        """Add units of a product, in a tab of the buyer or as the guest."""
        product, quantity = self.random.choice(self.products), self.random.randint(1, 5)

        def effect(baskets: Baskets) -> None:
            units = baskets.guest if as_guest else baskets.own
            units[product] = units.get(product, 0) + quantity

        tab = self.browser if as_guest else Browser(self.market, self.buyer)
        return f"add {quantity} {as_guest=}", lambda: tab.add(product, quantity), effect

    def put(self, *, as_guest: bool = False) -> Operation:
        """Replace all lines, in a tab of the buyer or as the guest."""
        units = self._units()

        def effect(baskets: Baskets) -> None:
            if as_guest:
                baskets.guest = dict(units)
            else:
                baskets.own = dict(units)

        tab = self.browser if as_guest else Browser(self.market, self.buyer)
        return f"put {units} {as_guest=}", lambda: tab.put(*units.items()), effect

    def merge(self) -> Operation:
        """Log in, in the browser of the guest, read, and log out."""

        async def read() -> None:
            tab = Browser(self.market, self.buyer)
            tab.token = self.browser.token
            await tab.get()

        return "merge", read, Baskets.merge

    async def pay(self) -> Operation:
        """Open a checkout, and return the report of its payment."""
        bought = self._units()
        # Like sessions of the release before: a buyer may have several.
        await self.market.database.execute("UPDATE sessions SET exclusive = false")
        session: PaymentSessionCreated = await self.market.create_payment_session(*bought.items(), by=self.buyer)
        event = self.market.paid_event(session)
        return f"pay {bought}", lambda: self.market.deliver(event), lambda baskets: baskets.pay(bought)

    async def operation(self, *, as_guest: bool) -> Operation:
        """Return any operation."""
        choice = self.random.choice(["add", "add", "put", "merge", "pay", *(["add-guest", "put-guest"] * as_guest)])
        match choice:
            case "add" | "add-guest":
                return self.add(as_guest=choice == "add-guest")
            case "put" | "put-guest":
                return self.put(as_guest=choice == "put-guest")
            case "merge":
                return self.merge()
            case _:
                return await self.pay()

    async def stored(self) -> Units:
        """Return the buyer's basket."""
        return dict(await Browser(self.market, self.buyer).lines())


@pytest.mark.parametrize("seed", range(_SEQUENCES))
async def test_operations_one_after_another_have_the_effect_of_the_model(market: Market, seed: int) -> None:
    run = Run(market, Random(seed))  # noqa: S311  not for secrets
    for step in range(_LENGTH):
        name, act, effect = await run.operation(as_guest=True)
        await act()
        effect(run.expected)
        assert await run.stored() == run.expected.own, f"step {step}: {name}"
        assert dict(await run.browser.lines()) == run.expected.guest, f"step {step}: {name}"


@pytest.mark.parametrize("seed", range(_SEQUENCES))
async def test_operations_at_once_leave_what_one_of_their_orders_leaves(market: Market, seed: int) -> None:
    run = Run(market, Random(seed))  # noqa: S311  not for secrets
    for step in range(_AT_ONCE):
        _, fill, effect = run.put(as_guest=True)
        await fill()
        effect(run.expected)
        operations = [await run.operation(as_guest=False) for _ in range(_AT_ONCE)]

        await asyncio.gather(*(act() for _, act, _ in operations))

        possible = []
        for order in permutations(operations):
            baskets = run.expected.copy()
            for _, _, effect in order:
                effect(baskets)
            possible.append(baskets)
        left = await run.stored(), dict(await run.browser.lines())
        assert left in [(one.own, one.guest) for one in possible], f"step {step}: {[name for name, _, _ in operations]}"
        run.expected = Baskets(*left)
