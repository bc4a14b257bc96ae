"""Holding units for a session: all of them or none, once."""

import asyncio
from contextlib import suppress

import pytest

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.product import HoldStock, Line, Product, ReleaseStock, UpdateStock, ValidateProducts
from nextbuy.contracts.values import new_id
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from nextbuy.product.validate_products import validate_products
from tests.product.service_harness import ServiceHarness, soon
from tests.waiting import all_wait_for_a_lock, until


async def test_fifty_concurrent_buyers_of_ten_units_get_ten(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)

    outcomes = await asyncio.gather(*(service.hold((kettle, 1)) for _ in range(50)), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, Conflict) and error.slug == "sold-out" for error in refused), refused
    assert len(refused) == 40
    assert await service.stock_levels(kettle) == (0, 10, 0)


async def test_holds_that_wait_for_one_product_hold_no_more_than_is_left(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=5)

    async with service.database.transaction() as tx:
        await tx.execute("SELECT FROM products FOR UPDATE")
        holds = [asyncio.create_task(service.hold((kettle, 3))) for _ in range(2)]
        await until(lambda: all_wait_for_a_lock(service.database, len(holds)))
    outcomes = await asyncio.gather(*holds, return_exceptions=True)

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    assert await service.stock_levels(kettle) == (2, 3, 0)


async def test_concurrent_baskets_with_shared_products_do_not_deadlock(service: ServiceHarness) -> None:
    seller = await service.seller()
    goods = [await service.create_product(seller, f"Cup number {n}", stock=100) for n in range(4)]
    baskets = [[goods[(n + k) % 4] for k in range(4)][:: 1 if n % 2 else -1] for n in range(24)]

    await asyncio.gather(*(service.hold(*((product, 1) for product in basket)) for basket in baskets))

    for product in goods:
        assert await service.stock_levels(product) == (76, 24, 0)


async def test_sold_out_line_refuses_whole_basket(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle = await service.create_product(seller, stock=10)
    mug = await service.create_product(seller, "Blue mug", stock=2)

    with pytest.raises(Conflict, match="Only 2 of “Blue mug” are left") as refused:
        await service.hold((kettle, 1), (mug, 3))

    assert refused.value.slug == "sold-out"
    assert await service.stock_levels(kettle) == (10, 0, 0)
    assert await service.stock_levels(mug) == (2, 0, 0)


async def test_repeated_and_concurrent_holds_of_session_hold_once(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=3)
    session = new_id()

    await asyncio.gather(*(service.hold((kettle, 2), session=session) for _ in range(8)))
    await service.hold((kettle, 2), session=session)

    assert await service.stock_levels(kettle) == (1, 2, 0)


async def test_next_hold_of_a_buyer_takes_the_units_of_the_one_that_it_replaces(service: ServiceHarness) -> None:
    seller = await service.seller()
    kettle, mug = [await service.create_product(seller, title, stock=5) for title in ("Copper kettle", "Blue mug")]
    first, second = new_id(), new_id()
    await service.hold((kettle, 4), (mug, 1), session=first)
    bought = Line(kettle.id, 5)
    asked = ValidateProducts(lines=[bought], replaces=first)
    assert [line.quantity for line in (await validate_products(service.deps, asked)).lines] == [5]
    with pytest.raises(Conflict):
        await validate_products(service.deps, ValidateProducts(lines=[bought]))

    for _ in range(2):
        await service.hold((kettle, 5), session=second, replaces=first)

    assert await service.stock_levels(kettle) == (0, 5, 0)
    assert await service.stock_levels(mug) == (5, 0, 0)
    await release_stock(service.deps, ReleaseStock(session_id=first))
    assert await service.stock_levels(kettle) == (0, 5, 0)


async def test_refused_hold_releases_the_session_that_it_replaces(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=5)
    first = new_id()
    await service.hold((kettle, 4), session=first)
    with pytest.raises(Conflict, match="Only 5 of"):
        await service.hold((kettle, 6), replaces=first)
    assert await service.stock_levels(kettle) == (5, 0, 0)


async def test_replaced_session_returns_only_units_that_it_holds(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=5)
    first = new_id()
    await service.hold((kettle, 2), session=first)
    await update_stock(service.deps, UpdateStock(session_id=first, lines=[Line(kettle.id, 2)]))
    await service.hold((kettle, 3), replaces=first)
    assert await service.stock_levels(kettle) == (0, 3, 2)


async def test_refused_session_may_try_again(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=1)
    session = new_id()

    with pytest.raises(Conflict):
        await service.hold((kettle, 2), session=session)
    await service.hold((kettle, 1), session=session)
    assert await service.stock_levels(kettle) == (0, 1, 0)


async def test_lines_of_one_product_are_added_up(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=3)

    with pytest.raises(Conflict):
        await service.hold((kettle, 2), (kettle, 2))
    await service.hold((kettle, 2), (kettle, 1))
    assert await service.stock_levels(kettle) == (0, 3, 0)


async def test_released_session_cannot_hold_again(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    session = await service.hold((kettle, 1))
    await release_stock(service.deps, ReleaseStock(session_id=session))

    with pytest.raises(Conflict) as refused:
        await service.hold((kettle, 1), session=session)

    assert refused.value.slug == "session-closed"
    assert await service.stock_levels(kettle) == (10, 0, 0)


async def test_release_concurrent_with_hold_leaves_nothing_held(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)
    for _ in range(150):
        session = new_id()
        held, released = await asyncio.gather(
            service.hold((kettle, 3), session=session),
            release_stock(service.deps, ReleaseStock(session_id=session)),
            return_exceptions=True,
        )
        assert isinstance(held, Conflict) or not isinstance(held, BaseException), held
        assert not isinstance(released, BaseException), released
        assert await service.stock_levels(kettle) == (10, 0, 0)


async def test_concurrent_steps_on_scarce_product_succeed_or_are_refused(service: ServiceHarness) -> None:
    """With little stock, the snapshot of a statement is often outdated once it has its locks."""
    kettle = await service.create_product(await service.seller(), stock=4)

    async def purchase(number: int) -> None:
        session = new_id()
        for _ in range(15):
            with suppress(Conflict):
                await service.hold((kettle, 1 + number % 3), session=session)
            await release_stock(service.deps, ReleaseStock(session_id=session))
            session = new_id()
        with suppress(Conflict):
            line = Line(kettle.id, 1)
            await service.hold((kettle, 1), session=session)
            await update_stock(service.deps, UpdateStock(session_id=session, lines=[line]))

    await asyncio.gather(*(purchase(number) for number in range(12)))

    stock, held, sold = await service.stock_levels(kettle)
    assert (stock + sold, held) == (4, 0)


async def test_unknown_product_refuses_whole_basket(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=3)
    lines = [Line(kettle.id, 1), Line(new_id(), 1)]

    with pytest.raises(NotFound):
        await hold_stock(service.deps, HoldStock(session_id=new_id(), lines=lines, expires_at=soon()))

    assert await service.stock_levels(kettle) == (3, 0, 0)


async def test_product_not_for_sale_cannot_be_held(service: ServiceHarness) -> None:
    toy = await service.create_product(await service.seller(), "A old gun")
    with pytest.raises(NotFound):
        await service.hold((toy, 1))


@pytest.mark.parametrize("quantities", [[], [0], [-1], [2_000_000], [1] * 51])
async def test_invalid_lines_are_refused(service: ServiceHarness, quantities: list[int]) -> None:
    lines = [Line(new_id(), quantity) for quantity in quantities]
    with pytest.raises(Unprocessable):
        await hold_stock(service.deps, HoldStock(session_id=new_id(), lines=lines, expires_at=soon()))


async def test_hold_lowers_shown_stock_at_once(service: ServiceHarness) -> None:
    kettle: Product = await service.create_product(await service.seller(), stock=10)
    await service.get_product(kettle.id)

    await service.hold((kettle, 4))

    assert (await service.get_product(kettle.id)).stock == 6
