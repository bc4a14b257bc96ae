"""Committing and releasing holds, once each."""

import asyncio
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.product import Line, Product, ReleaseStock, UpdateStock
from nextbuy.contracts.values import new_id
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from tests.product.service_harness import ServiceHarness


async def commit(service: ServiceHarness, session: UUID, *lines: tuple[Product, int]) -> None:
    await update_stock(service.deps, UpdateStock(session_id=session, lines=[Line(p.id, n) for p, n in lines]))


async def release(service: ServiceHarness, session: UUID) -> str:
    return (await release_stock(service.deps, ReleaseStock(session_id=session))).outcome


async def test_hundred_concurrent_commits_sell_once(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)
    session = await service.hold((kettle, 2))

    await asyncio.gather(*(commit(service, session, (kettle, 2)) for _ in range(100)))

    assert await service.stock_levels(kettle) == (8, 0, 2)


async def test_sold_units_are_not_released(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    session = await service.hold((kettle, 2))

    await commit(service, session, (kettle, 2))

    assert await release(service, session) == "sold"

    await service.hold((kettle, 2), session=session)
    assert await service.stock_levels(kettle) == (8, 0, 2)


async def test_concurrent_releases_release_once(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    session = await service.hold((kettle, 2))

    assert await asyncio.gather(*(release(service, session) for _ in range(10))) == ["released"] * 10
    assert await service.stock_levels(kettle) == (10, 0, 0)


@pytest.mark.parametrize("held_before", [True, False])
async def test_late_payment_commits_released_units_from_stock(service: ServiceHarness, held_before: bool) -> None:  # noqa: FBT001
    kettle = await service.create_product(await service.seller())
    session = await service.hold((kettle, 2)) if held_before else new_id()
    await release(service, session)

    await asyncio.gather(*(commit(service, session, (kettle, 2)) for _ in range(8)))

    assert await service.stock_levels(kettle) == (8, 0, 2)
    assert await release(service, session) == "sold"


async def test_late_payment_with_one_sold_out_line_is_refused_whole(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, mug = (
        await service.create_product(seller, stock=5),
        await service.create_product(seller, "Blue mug", stock=1),
    )
    session = await service.hold((kettle, 2), (mug, 1))
    await release(service, session)
    await service.hold((mug, 1))

    with pytest.raises(Conflict, match="“Blue mug” is sold out"):
        await commit(service, session, (kettle, 2), (mug, 1))

    assert await service.stock_levels(kettle) == (5, 0, 0)
    assert await service.stock_levels(mug) == (0, 1, 0)
    assert await release(service, session) == "released"


async def test_concurrent_commit_and_release_conserve_units(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)
    sold = 0

    for _ in range(20):
        session = await service.hold((kettle, 1))
        # After a release, the commit takes the unit from stock again.
        await asyncio.gather(commit(service, session, (kettle, 1)), release(service, session), return_exceptions=True)
        stock, held, now_sold = await service.stock_levels(kettle)
        assert (stock + held + now_sold, held) == (10, 0)
        sold = max(sold, now_sold)
        if stock == 0:
            break

    assert sold == 10


async def test_product_rejected_after_hold_is_still_sold(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    session = await service.hold((kettle, 1))
    await service.database.execute("UPDATE products SET status = 'rejected'")

    await commit(service, session, (kettle, 1))

    assert await service.stock_levels(kettle) == (9, 0, 1)
