"""One suite for the stock of the product service: the fake that the other tests use, and the real one."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import HoldStock, Line, ProductClient, ReleaseStock, UpdateStock, ValidateProducts
from nextbuy.contracts.product_offers import GetOffers
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.product.get_offers import get_offers
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.release_stock import release_stock
from nextbuy.product.update_stock import update_stock
from nextbuy.product.validate_products import validate_products
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.order.fake_product import FakeProduct
from tests.product.service_harness import ServiceHarness


class ProductUnderTest:
    """A product service, and ways to add a product and to read its buyable stock."""

    def __init__(
        self,
        replies: dict[type[Call[Any]], object],
        add: Callable[[int], Awaitable[UUID]],
        stock: Callable[[UUID], Awaitable[int]],
    ) -> None:
        self.client = ProductClient(StubCalls(replies))
        self.add = add
        self.stock = stock

    async def hold(self, *lines: tuple[UUID, int], session_id: UUID | None = None) -> UUID:
        """Hold lines for a session, a new one if none is given."""
        session_id = session_id or new_id()
        await self.client.hold_stock(session_id, _lines(lines), utc_now() + timedelta(minutes=30))
        return session_id

    async def sell(self, session_id: UUID, *lines: tuple[UUID, int]) -> None:
        """Commit the stock of a session."""
        await self.client.update_stock(session_id, _lines(lines))

    async def release(self, session_id: UUID) -> str:
        """Release the stock of a session."""
        return (await self.client.release_stock(session_id)).outcome


def _lines(lines: tuple[tuple[UUID, int], ...]) -> list[Line]:
    return [Line(product_id, quantity) for product_id, quantity in lines]


def _fake() -> ProductUnderTest:
    fake, shop_id = FakeProduct(), new_id()

    async def add(stock: int) -> UUID:
        return fake.add(shop_id, price=2_500, stock=stock)

    async def stock(product_id: UUID) -> int:
        return fake.stock[product_id]

    return ProductUnderTest(dict(fake.replies), add, stock)


async def _real(open_database: OpenDatabase) -> ProductUnderTest:
    harness = ServiceHarness(await open_database("product"), journal=Journal())
    sellers: list[Account] = [await harness.seller()]

    async def add(stock: int) -> UUID:
        return (await harness.create_product(sellers[0], "Copper kettle", stock=stock)).id

    async def stock(product_id: UUID) -> int:
        return int(await harness.database.fetchval("SELECT stock FROM products WHERE id = $1", product_id))

    replies: dict[type[Call[Any]], object] = {
        ValidateProducts: lambda call: validate_products(harness.deps, call),
        GetOffers: lambda call: get_offers(harness.deps, call),
        HoldStock: lambda call: hold_stock(harness.deps, call),
        ReleaseStock: lambda call: release_stock(harness.deps, call),
        UpdateStock: lambda call: update_stock(harness.deps, call),
    }
    return ProductUnderTest(replies, add, stock)


@pytest.fixture(params=["fake", "real"])
async def products(request: pytest.FixtureRequest, open_database: OpenDatabase) -> ProductUnderTest:
    """The product service: once the fake, once the real one on a real database."""
    return _fake() if request.param == "fake" else await _real(open_database)


async def test_validated_lines_have_the_price_of_the_product(products: ProductUnderTest) -> None:
    kettle = await products.add(3)

    [line] = await products.client.validate_products([Line(kettle, 3)])

    assert (line.product_id, line.quantity, line.unit_price.amount) == (kettle, 3, 2_500)
    assert await products.stock(kettle) == 3


async def test_offers_are_the_products_that_exist(products: ProductUnderTest) -> None:
    kettle = await products.add(3)

    offers = await products.client.get_offers([new_id(), kettle])

    assert {one: (offer.unit_price.amount, offer.stock) for one, offer in offers.items()} == {kettle: (2_500, 3)}


async def test_lines_beyond_the_stock_and_unknown_products_are_not_validated(products: ProductUnderTest) -> None:
    kettle = await products.add(3)

    with pytest.raises(Conflict) as sold_out:
        await products.client.validate_products([Line(kettle, 4)])
    with pytest.raises(NotFound) as unknown:
        await products.client.validate_products([Line(kettle, 1), Line(new_id(), 1)])

    assert (sold_out.value.slug, unknown.value.slug) == ("sold-out", "product-not-found")


async def test_hold_takes_units_once_per_session(products: ProductUnderTest) -> None:
    kettle = await products.add(10)

    session_id = await products.hold((kettle, 3))
    await products.hold((kettle, 3), session_id=session_id)

    assert await products.stock(kettle) == 7


async def test_hold_beyond_the_stock_is_refused_whole(products: ProductUnderTest) -> None:
    kettle, mug = await products.add(10), await products.add(1)

    with pytest.raises(Conflict) as error:
        await products.hold((kettle, 3), (mug, 2))

    assert error.value.slug == "sold-out"
    assert (await products.stock(kettle), await products.stock(mug)) == (10, 1)


async def test_hold_refused_for_stock_may_be_repeated(products: ProductUnderTest) -> None:
    kettle, session_id = await products.add(1), new_id()

    with pytest.raises(Conflict):
        await products.hold((kettle, 2), session_id=session_id)
    await products.hold((kettle, 1), session_id=session_id)

    assert await products.stock(kettle) == 0


async def test_hold_of_an_unknown_product_is_not_found(products: ProductUnderTest) -> None:
    with pytest.raises(NotFound):
        await products.hold((new_id(), 1))


async def test_release_returns_units_once(products: ProductUnderTest) -> None:
    kettle = await products.add(10)
    session_id = await products.hold((kettle, 3))

    outcomes = [await products.release(session_id) for _ in range(2)]

    assert outcomes == ["released", "released"]
    assert await products.stock(kettle) == 10


@pytest.mark.parametrize("held_before", [True, False])
async def test_released_session_cannot_hold_again(products: ProductUnderTest, *, held_before: bool) -> None:
    kettle = await products.add(10)
    session_id = await products.hold((kettle, 3)) if held_before else new_id()
    await products.release(session_id)

    with pytest.raises(Conflict) as error:
        await products.hold((kettle, 3), session_id=session_id)

    assert error.value.slug == "session-closed"
    assert await products.stock(kettle) == 10


async def test_sale_keeps_held_units_and_happens_once(products: ProductUnderTest) -> None:
    kettle = await products.add(10)
    session_id = await products.hold((kettle, 3))

    for _ in range(2):
        await products.sell(session_id, (kettle, 3))

    assert await products.stock(kettle) == 7
    assert await products.release(session_id) == "sold"
    assert await products.stock(kettle) == 7


async def test_hold_after_the_sale_changes_nothing(products: ProductUnderTest) -> None:
    kettle = await products.add(10)
    session_id = await products.hold((kettle, 3))
    await products.release(session_id)
    await products.sell(session_id, (kettle, 3))

    await products.hold((kettle, 3), session_id=session_id)

    assert await products.stock(kettle) == 7


@pytest.mark.parametrize("held_before", [True, False])
async def test_sale_after_a_release_takes_the_units_again(products: ProductUnderTest, *, held_before: bool) -> None:
    kettle = await products.add(10)
    session_id = await products.hold((kettle, 3)) if held_before else new_id()
    await products.release(session_id)

    await products.sell(session_id, (kettle, 3))

    assert await products.stock(kettle) == 7
    assert await products.release(session_id) == "sold"


async def test_sale_after_a_release_is_refused_whole_if_sold_out(products: ProductUnderTest) -> None:
    kettle, mug = await products.add(10), await products.add(1)
    session_id = await products.hold((kettle, 3), (mug, 1))
    await products.release(session_id)
    await products.hold((mug, 1))

    with pytest.raises(Conflict) as error:
        await products.sell(session_id, (kettle, 3), (mug, 1))

    assert error.value.slug == "sold-out"
    assert (await products.stock(kettle), await products.stock(mug)) == (10, 0)
    assert await products.release(session_id) == "released"


async def test_sale_without_a_hold_takes_the_units(products: ProductUnderTest) -> None:
    kettle = await products.add(10)

    await products.sell(new_id(), (kettle, 4))

    assert await products.stock(kettle) == 6
