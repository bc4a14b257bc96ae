"""`kill -9` of everything, at every step of a purchase and at random under load: the books are right by themselves."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.journeys.books import Books, Row, settled
from tests.journeys.crowd import LOST, Assassin, Crowd
from tests.journeys.marketplace import Lot, Marketplace, PutUp, putting_up
from tests.journeys.people import BAD_CARD, Json, Town, expired_event, new_trace, paid_event

pytestmark = pytest.mark.timeout(300)
KILLS_UNDER_LOAD = 5


@dataclass
class Stage:
    """A marketplace that is killed again and again, and what is bought in it."""

    market: Marketplace
    town: Town
    products: list[Json] = field(default_factory=list)
    traces: dict[str, str] = field(default_factory=dict)
    """By step: the trace of the purchase that was killed in it."""
    crowd: Crowd | None = None

    async def purchase(self, headers: Json, card: str | None = None) -> None:
        """Buy and pay."""
        session = await self.town.session(await self.town.buyer(), [(one, 2) for one in self.products], headers)
        await self.town.pay(session, **({} if card is None else {"card": card}), headers=headers)

    async def declined(self, headers: Json) -> None:
        """Try to pay with a card that is no good."""
        await self.purchase(headers, BAD_CARD)

    async def too_late(self, headers: Json) -> None:
        """Pay for what was sold to somebody else meanwhile."""
        product = await self.town.product(stock=2)
        late = await self.town.session(await self.town.buyer(), [(product, 2)], headers)
        assert (await self.town.webhook(expired_event(late))).status == 200
        await self.town.session(await self.town.buyer(), [(product, 2)])
        await self.town.webhook(paid_event(late))


Act = Callable[[Stage, Json], Awaitable[None]]
BUYING, NOT_PAYING, TOO_LATE = Stage.purchase, Stage.declined, Stage.too_late
STEPS: dict[str, tuple[Act, str, str]] = {
    "after the units were held": (BUYING, "call", "hold-stock"),
    "after the payment page was made": (BUYING, "call", "open-payment"),
    "after the session was answered": (BUYING, "request", "POST /order/api/create-payment-session"),
    "after the card was taken": (BUYING, "request", "POST /simulator/api/pay/"),
    "after the stock was sold": (BUYING, "call", "update-stock"),
    "after the orders were written": (BUYING, "step", "create-orders"),
    "after the webhook was taken": (BUYING, "webhook", "checkout.session.completed"),
    "after the event was published": (BUYING, "publish", "order.created"),
    "after the admin was notified": (BUYING, "call", "create-notification"),
    "after the event was consumed": (BUYING, "consume", "order.created"),
    "after the units were given back": (NOT_PAYING, "call", "release-stock"),
    "after the decline was told": (NOT_PAYING, "webhook", "payment_intent.payment_failed"),
    "after the money went back": (TOO_LATE, "call", "refund-payment"),
    "after the refund was written": (TOO_LATE, "step", "refund"),
}


@pytest.fixture(scope="module")
def survived(lot: Lot) -> Iterator[tuple[Books, Stage]]:
    """Everything that happens to one marketplace, and its books at the end."""
    with putting_up(lot) as put_up:
        yield asyncio.run(_kill_and_kill_again(put_up))


async def _kill_and_kill_again(put_up: PutUp) -> tuple[Books, Stage]:
    market = put_up(NEXTBUY_SESSION_MINUTES="0.15")
    async with Town.around(market) as town:
        stage = Stage(market, town)
        stage.products = [await town.product(stock=10_000), await town.product(stock=10_000)]
        for step in random.sample(sorted(STEPS), len(STEPS)):
            await _kill_at(stage, step)
        await _kill_under_load(stage)
        return await settled(market), stage


async def _kill_at(stage: Stage, step: str) -> None:
    act, kind, name = STEPS[step]
    headers = new_trace()
    trace_id = stage.traces[step] = headers["traceparent"].split("-")[1]
    # What follows a webhook of the test's own is in that webhook's trace.
    trace = {} if act is TOO_LATE else {"trace_id": trace_id}
    assassin = Assassin(stage.market, {"kind": kind, "name": name, "outcome": "", **trace})
    assassin.start()
    with contextlib.suppress(*LOST):
        await act(stage, headers)
    await asyncio.to_thread(assassin.join)
    assert assassin.has_killed, step
    await asyncio.to_thread(stage.market.start)


async def _kill_under_load(stage: Stage) -> None:
    buyers = [await stage.town.buyer() for _ in range(10)]
    async with Crowd(stage.town, buyers, stage.products) as stage.crowd:
        for _ in range(KILLS_UNDER_LOAD):
            await asyncio.sleep(random.uniform(0.3, 1.2))  # noqa: S311  no secret
            await asyncio.to_thread(stage.market.kill)
            await asyncio.to_thread(stage.market.start)
        await asyncio.sleep(0.5)


def _fate(books: Books, stage: Stage, step: str) -> tuple[Row | None, int]:
    sessions = books.of_trace(stage.traces[step])
    assert len(sessions) <= 1
    return (sessions[0], len(books.orders_of(sessions[0]))) if sessions else (None, 0)


@pytest.mark.parametrize("step", STEPS)
def test_a_purchase_that_dies_comes_to_its_right_end(survived: tuple[Books, Stage], step: str) -> None:
    books, stage = survived
    session, orders = _fate(books, stage, step)
    assert session is not None
    payment = books.payment_of(session)
    act, kind, name = STEPS[step]
    if act is TOO_LATE:
        assert (session["status"], orders) == ("refunded", 0)
        assert payment is not None
        assert payment["refund_id"] == session["refund_id"]
    elif act is NOT_PAYING:
        assert (session["status"], orders) == ("failed", 0)
    elif name in {"hold-stock", "open-payment", "POST /order/api/create-payment-session"}:
        # The card may have been sent in the last moment; then it counts.
        paid = payment is not None and payment["status"] == "paid"
        assert (session["status"], orders) == (("paid", 2) if paid else ("expired", 0))
    else:
        assert (session["status"], orders) == ("paid", 2), (kind, name)


def test_under_load_the_books_are_right_after_every_crash(survived: tuple[Books, Stage]) -> None:
    books, stage = survived
    assert stage.crowd is not None
    assert len(stage.crowd.paid) > 10
    books.are_right(stage.market.stock)
    by_id = {str(session["id"]): session for session in books.sessions}
    assert {by_id[session["session_id"]]["status"] for session in stage.crowd.paid} <= {"paid", "refunded"}
