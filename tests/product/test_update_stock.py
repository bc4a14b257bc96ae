"""What a session holds is sold, once."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.product import Line, Product, ReleaseStock, UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from tests.product.service_harness import Desk


async def sell(desk: Desk, session: UUID, *lines: tuple[Product, int]) -> None:
    await update_stock(desk.product, UpdateStock(session_id=session, lines=[Line(p.id, n) for p, n in lines]))


async def release(desk: Desk, session: UUID) -> str:
    return (await release_stock(desk.product, ReleaseStock(session_id=session))).outcome


async def test_a_hundred_times_at_once_sells_once(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    session = await desk.hold((kettle, 2))
    await asyncio.gather(*(sell(desk, session, (kettle, 2)) for _ in range(100)))
    assert await desk.units(kettle) == (8, 0, 2)


async def test_what_is_sold_is_not_given_back(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    session = await desk.hold((kettle, 2))
    await sell(desk, session, (kettle, 2))
    assert await release(desk, session) == "sold"
    await desk.hold((kettle, 2), session=session)
    assert await desk.units(kettle) == (8, 0, 2)


async def test_what_was_given_back_is_given_back_once(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    session = await desk.hold((kettle, 2))
    assert await asyncio.gather(*(release(desk, session) for _ in range(10))) == ["released"] * 10
    assert await desk.units(kettle) == (10, 0, 0)


@pytest.mark.parametrize("held_before", [True, False])
async def test_late_money_takes_the_units_again_where_they_are_still_there(desk: Desk, held_before: bool) -> None:  # noqa: FBT001
    kettle = await desk.offer(await desk.seller())
    session = await desk.hold((kettle, 2)) if held_before else new_id()
    await release(desk, session)
    await asyncio.gather(*(sell(desk, session, (kettle, 2)) for _ in range(8)))
    assert await desk.units(kettle) == (8, 0, 2)
    assert await release(desk, session) == "sold"


async def test_late_money_for_units_that_are_gone_is_refused_whole(desk: Desk) -> None:
    seller = await desk.seller()
    kettle, mug = await desk.offer(seller, stock=5), await desk.offer(seller, "Blue mug", stock=1)
    session = await desk.hold((kettle, 2), (mug, 1))
    await release(desk, session)
    await desk.hold((mug, 1))
    with pytest.raises(Conflict, match="“Blue mug” is sold out"):
        await sell(desk, session, (kettle, 2), (mug, 1))
    assert await desk.units(kettle) == (5, 0, 0)
    assert await desk.units(mug) == (0, 1, 0)
    assert await release(desk, session) == "released"


async def test_selling_and_giving_back_at_once_ends_in_one_of_the_two(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    sold = 0
    for _ in range(20):
        session = await desk.hold((kettle, 1))
        # A release that comes first is followed by a sale that takes the unit again.
        await asyncio.gather(sell(desk, session, (kettle, 1)), release(desk, session), return_exceptions=True)
        stock, held, now_sold = await desk.units(kettle)
        assert (stock + held + now_sold, held) == (10, 0)
        sold = max(sold, now_sold)
        if stock == 0:
            break
    assert sold == 10


async def test_a_product_taken_from_sale_after_it_was_held_is_still_sold_to_who_paid(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller())
    session = await desk.hold((kettle, 1))
    await desk.database.execute("UPDATE products SET status = 'rejected'")
    await sell(desk, session, (kettle, 1))
    assert await desk.units(kettle) == (9, 0, 1)
