"""Whatever is asked of stock, in whatever order, units are conserved and each act is done once."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.product import HoldStock, Line, Product, ReleaseStock, UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from tests.product.service_harness import Desk, soon

STOCK = 5
Act = tuple[Literal["hold", "sell", "release"], int, tuple[int, int]]
acts = st.lists(
    st.tuples(
        st.sampled_from(["hold", "sell", "release"]),
        st.integers(0, 2),
        st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any),
    ),
    max_size=14,
)


@dataclass
class Book:
    """What should be: two products, and what each session has."""

    stock: list[int] = field(default_factory=lambda: [STOCK, STOCK])
    held: list[int] = field(default_factory=lambda: [0, 0])
    sold: list[int] = field(default_factory=lambda: [0, 0])
    sessions: dict[int, tuple[str, tuple[int, int]]] = field(default_factory=dict)

    def move(self, source: list[int], target: list[int], units: tuple[int, int]) -> bool:
        if any(have < want for have, want in zip(source, units, strict=True)):
            return False
        for place, number in enumerate(units):
            source[place] -= number
            target[place] += number
        return True

    def act(self, name: str, session: int, units: tuple[int, int]) -> str:
        """Return what should be answered."""
        state, has = self.sessions.get(session, ("none", (0, 0)))
        if name == "release":
            if state == "sold":
                return "sold"
            if state == "held":
                self.move(self.held, self.stock, has)
            self.sessions[session] = "released", (0, 0)
            return "released"
        if name == "hold" and state == "released":
            return "session-closed"
        if state == "sold" or (name, state) == ("hold", "held"):
            return "done"
        if state == "held":
            units, source = has, self.held
        else:
            source = self.stock
        if not self.move(source, self.held if name == "hold" else self.sold, units):
            return "sold-out"
        self.sessions[session] = ("held" if name == "hold" else "sold"), units
        return "done"


async def act(desk: Desk, goods: list[Product], name: str, session: UUID, units: tuple[int, int]) -> str:
    lines = [Line(product.id, number) for product, number in zip(goods, units, strict=True) if number]
    try:
        if name == "hold":
            await hold_stock(desk.product, HoldStock(session_id=session, lines=lines, expires_at=soon()))
        elif name == "sell":
            await update_stock(desk.product, UpdateStock(session_id=session, lines=lines))
        else:
            return (await release_stock(desk.product, ReleaseStock(session_id=session))).outcome
    except Conflict as refused:
        return refused.slug
    return "done"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=acts)
async def test_every_history_ends_as_the_simplest_book_says(desk: Desk, history: list[Act]) -> None:
    seller = await desk.seller()
    goods = [await desk.offer(seller, title, stock=STOCK) for title in ("Copper kettle", "Blue mug")]
    sessions, book = [new_id() for _ in range(3)], Book()
    for name, session, units in history:
        assert await act(desk, goods, name, sessions[session], units) == book.act(name, session, units)
        for place, product in enumerate(goods):
            stock, held, sold = await desk.units(product)
            assert (stock, held, sold) == (book.stock[place], book.held[place], book.sold[place])
            assert stock + held + sold == STOCK
