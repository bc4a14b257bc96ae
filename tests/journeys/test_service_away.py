"""A service stands still or dies: who needs it is told so in time, everything else goes on, and then it is back."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.books import settled
from tests.journeys.crowd import Crowd
from tests.journeys.marketplace import Lot, Marketplace, Topology, putting_up
from tests.journeys.people import Answer, Town
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)
CALL_LIMIT = 3.0
"""Seconds that a call between services may take."""
GATEWAY_LIMIT = 10.25
SLACK = 2.0


def is_told_to_come_again(answer: Answer, within: float) -> None:
    """503 or 504, in time, and says when to try again."""
    assert answer.status in {503, 504}, answer.body
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.seconds < within


async def everything_else_goes_on(town: Town) -> None:
    """What does not need product."""
    admin = await town.login((await town.admin()).email)
    seller = await town.seller()
    assert (await town.get(f"/seller/api/get-shop/{seller.shop['id']}"))["shop"]["status"] == "approved"
    await town.get("/admin/api/notifications", admin)
    await town.get("/order/api/user-orders", await town.buyer())
    await town.get("/health/live")


@pytest.fixture(scope="module")
def shaken(lot: Lot) -> Iterator[Marketplace]:
    """A marketplace of many processes for the tests of this file, each of which leaves it whole."""
    with putting_up(lot) as put_up:
        yield put_up(Topology.MANY, NEXTBUY_SESSION_MINUTES="0.3")


async def test_product_stands_still_and_then_dies_and_is_back_each_time(shaken: Marketplace) -> None:
    market = shaken
    async with Town.around(market) as town:
        buyer, goods = await town.buyer(), await town.product(stock=1_000)

        async def can_be_bought() -> bool:
            answer = await town.checkout(buyer, [(goods, 1)])
            await asyncio.sleep(0.05)
            return answer.status == 201

        await until(can_be_bought)
        product = market.service("product")
        os.kill(product.pid, signal.SIGSTOP)
        try:
            going_on = asyncio.create_task(everything_else_goes_on(town))
            showing = asyncio.create_task(town.ask("GET", f"/product/api/get-product/{goods['id']}"))
            refused = await asyncio.gather(*(town.checkout(buyer, [(goods, 1)]) for _ in range(8)))
            for answer in refused:
                is_told_to_come_again(answer, CALL_LIMIT + SLACK)
            at_once = await town.checkout(buyer, [(goods, 1)])
            is_told_to_come_again(at_once, 1.0)
            assert at_once.slug == "breaker-open"
            await going_on
            is_told_to_come_again(await showing, GATEWAY_LIMIT + SLACK)
            await everything_else_goes_on(town)
        finally:
            os.kill(product.pid, signal.SIGCONT)
        await until(can_be_bought, "the breaker closes again", within=30)

        market.service("product").kill()
        answer = await town.checkout(buyer, [(goods, 1)])
        if answer.status != 201:  # It may be back before the caller's patience is at its end.
            is_told_to_come_again(answer, CALL_LIMIT + SLACK)
        await everything_else_goes_on(town)
        await until(can_be_bought, "the supervisor has started it again", within=30)
        shown = await town.ask("GET", f"/product/api/get-product/{goods['id']}")
        assert shown.status == 200


async def test_services_die_one_after_another_under_load_and_the_books_are_right(shaken: Marketplace) -> None:
    market = shaken
    async with Town.around(market) as town:
        products = [await town.product(stock=100_000), await town.product(stock=100_000)]
        buyers = [await town.buyer() for _ in range(4)]
        async with Crowd(town, buyers, products) as crowd:
            for name in ("order", "product", "simulator", "kafka", "gateway"):
                before = len(crowd.paid)

                async def go_on(before: int = before) -> bool:
                    await asyncio.sleep(0.05)
                    return len(crowd.paid) > before + 5

                await until(go_on, f"purchases go on before {name} dies", within=60)
                market.service(name).kill()
            market.wait_until_ready()
        books = await settled(market)
        books.are_right(market.stock)
        by_id = {str(session["id"]): session["status"] for session in books.sessions}
        assert {by_id[session["session_id"]] for session in crowd.paid} <= {"paid", "refunded"}
