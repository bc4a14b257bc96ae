"""Random histories of hold, commit and release, compared with a model: units are conserved."""

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
from tests.product.service_harness import ServiceHarness, soon

STOCK = 5
Step = tuple[Literal["hold", "replace", "commit", "release"], int, tuple[int, int]]
acts = st.lists(
    st.tuples(
        st.sampled_from(["hold", "replace", "commit", "release"]),
        st.integers(0, 2),
        st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any),
    ),
    max_size=14,
)


@dataclass
class StockModel:
    """The expected units of two products, and of each session."""

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
        """Apply a step and return the expected outcome."""
        state, has = self.sessions.get(session, ("none", (0, 0)))
        if name == "release":
            if state == "sold":
                return "sold"
            if state == "held":
                self.move(self.held, self.stock, has)
            self.sessions[session] = "released", (0, 0)
            return "released"
        if name == "replace":
            previous = (session + 1) % 3
            if self.sessions.get(previous, ("none", ()))[0] == "held":
                self.act("release", previous, (0, 0))
            name = "hold"
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


async def act(
    service: ServiceHarness, goods: list[Product], name: str, session: UUID, previous: UUID, units: tuple[int, int]
) -> str:
    lines = [Line(product.id, number) for product, number in zip(goods, units, strict=True) if number]
    try:
        if name in {"hold", "replace"}:
            replaces = previous if name == "replace" else None
            call = HoldStock(session_id=session, lines=lines, expires_at=soon(), replaces=replaces)
            await hold_stock(service.deps, call)
        elif name == "commit":
            await update_stock(service.deps, UpdateStock(session_id=session, lines=lines))
        else:
            return (await release_stock(service.deps, ReleaseStock(session_id=session))).outcome
    except Conflict as refused:
        return refused.slug
    return "done"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=acts)
async def test_every_history_matches_the_model(service: ServiceHarness, history: list[Step]) -> None:
    seller = await service.seller()
    goods = [await service.create_product(seller, title, stock=STOCK) for title in ("Copper kettle", "Blue mug")]
    sessions, model = [new_id() for _ in range(3)], StockModel()
    for name, session, units in history:
        previous = sessions[(session + 1) % 3]
        outcome = await act(service, goods, name, sessions[session], previous, units)
        assert outcome == model.act(name, session, units)
        for place, product in enumerate(goods):
            stock, held, sold = await service.stock_levels(product)
            assert (stock, held, sold) == (model.stock[place], model.held[place], model.sold[place])
            assert stock + held + sold == STOCK
