"""Units are kept for a session: all of them or none, once."""

import asyncio
from contextlib import suppress

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.product import HoldStock, Line, Product, ReleaseStock, UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from tests.product.service_harness import Desk, soon


async def test_fifty_buyers_at_once_for_ten_units_get_exactly_ten(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    outcomes = await asyncio.gather(*(desk.hold((kettle, 1)) for _ in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, Conflict) and error.slug == "sold-out" for error in refused), refused
    assert len(refused) == 40
    assert await desk.units(kettle) == (0, 10, 0)


async def test_baskets_that_share_products_in_any_order_do_not_block_each_other(desk: Desk) -> None:
    seller = await desk.seller()
    goods = [await desk.offer(seller, f"Cup number {n}", stock=100) for n in range(4)]
    baskets = [[goods[(n + k) % 4] for k in range(4)][:: 1 if n % 2 else -1] for n in range(24)]
    await asyncio.gather(*(desk.hold(*((product, 1) for product in basket)) for basket in baskets))
    for product in goods:
        assert await desk.units(product) == (76, 24, 0)


async def test_a_basket_with_a_sold_out_line_is_refused_whole_and_says_what_is_left(desk: Desk) -> None:
    seller = await desk.seller()
    kettle, mug = await desk.offer(seller, stock=10), await desk.offer(seller, "Blue mug", stock=2)
    with pytest.raises(Conflict, match="Only 2 left of “Blue mug”") as refused:
        await desk.hold((kettle, 1), (mug, 3))
    assert refused.value.slug == "sold-out"
    assert await desk.units(kettle) == (10, 0, 0)
    assert await desk.units(mug) == (2, 0, 0)


async def test_the_same_session_asked_again_and_at_once_holds_once(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=3)
    session = new_id()
    await asyncio.gather(*(desk.hold((kettle, 2), session=session) for _ in range(8)))
    await desk.hold((kettle, 2), session=session)
    assert await desk.units(kettle) == (1, 2, 0)


async def test_a_session_refused_for_want_of_stock_may_try_again(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=1)
    session = new_id()
    with pytest.raises(Conflict):
        await desk.hold((kettle, 2), session=session)
    await desk.hold((kettle, 1), session=session)
    assert await desk.units(kettle) == (0, 1, 0)


async def test_lines_of_the_same_product_are_added_up(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=3)
    with pytest.raises(Conflict):
        await desk.hold((kettle, 2), (kettle, 2))
    await desk.hold((kettle, 2), (kettle, 1))
    assert await desk.units(kettle) == (0, 3, 0)


async def test_a_session_that_was_given_back_holds_no_more(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    session = await desk.hold((kettle, 1))
    await release_stock(desk.product, ReleaseStock(session_id=session))
    with pytest.raises(Conflict) as refused:
        await desk.hold((kettle, 1), session=session)
    assert refused.value.slug == "session-closed"
    assert await desk.units(kettle) == (10, 0, 0)


async def test_a_release_that_overtakes_its_hold_leaves_nothing_held(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    for _ in range(150):
        session = new_id()
        held, released = await asyncio.gather(
            desk.hold((kettle, 3), session=session),
            release_stock(desk.product, ReleaseStock(session_id=session)),
            return_exceptions=True,
        )
        assert isinstance(held, Conflict) or not isinstance(held, BaseException), held
        assert not isinstance(released, BaseException), released
        assert await desk.units(kettle) == (10, 0, 0)


async def test_whatever_is_done_to_one_product_at_once_it_is_done_or_refused(desk: Desk) -> None:
    """With a stock that is nearly gone, what a statement first sees of it is often not what it is by its turn."""
    kettle = await desk.offer(await desk.seller(), stock=4)

    async def purchase(number: int) -> None:
        session = new_id()
        for _ in range(15):
            with suppress(Conflict):
                await desk.hold((kettle, 1 + number % 3), session=session)
            await release_stock(desk.product, ReleaseStock(session_id=session))
            session = new_id()
        with suppress(Conflict):
            line = Line(kettle.id, 1)
            await desk.hold((kettle, 1), session=session)
            await update_stock(desk.product, UpdateStock(session_id=session, lines=[line]))

    await asyncio.gather(*(purchase(number) for number in range(12)))
    stock, held, sold = await desk.units(kettle)
    assert (stock + sold, held) == (4, 0)


async def test_what_is_not_for_sale_cannot_be_held(desk: Desk) -> None:
    toy = await desk.offer(await desk.seller(), "A toy gun")
    with pytest.raises(NotFound):
        await desk.hold((toy, 1))


@pytest.mark.parametrize("quantities", [[], [0], [-1], [2_000_000], [1] * 51])
async def test_lines_that_are_none_are_unreadable(desk: Desk, quantities: list[int]) -> None:
    lines = [Line(new_id(), quantity) for quantity in quantities]
    with pytest.raises(Unprocessable):
        await hold_stock(desk.product, HoldStock(session_id=new_id(), lines=lines, expires_at=soon()))


async def test_what_is_held_is_seen_at_once_by_who_looks_at_the_product(desk: Desk) -> None:
    kettle: Product = await desk.offer(await desk.seller(), stock=10)
    await desk.see(kettle.id)
    await desk.hold((kettle, 4))
    assert (await desk.see(kettle.id)).stock == 6
