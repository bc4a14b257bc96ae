"""Two processes on one database: changes of one are seen by the other after its next poll."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import convert

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import Line, Product, UpdateStock
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.search_products import SearchProducts, search_products
from nextbuy.product.update_product import UpdateProduct, update_product
from nextbuy.product.update_stock import update_stock
from tests.callers import caller
from tests.product.service_harness import ServiceHarness, decoded


@pytest.fixture
async def two(
    database_url: Callable[[str], Awaitable[str]], journal: Journal
) -> tuple[ServiceHarness, ServiceHarness, list[Database]]:
    """Two processes of the service on one database."""
    url = await database_url("product")
    databases = [await Database.connect(url, "product") for _ in range(2)]
    here, there = (ServiceHarness(database, journal=journal) for database in databases)
    there.shops = here.shops
    return here, there, databases


async def test_change_by_another_process_is_invalidated_by_next_poll(
    two: tuple[ServiceHarness, ServiceHarness, list[Database]],
) -> None:
    here, there, databases = two
    seller = await here.seller()
    kettle, mug = await here.create_product(seller), await here.create_product(seller, "Blue mug")

    async def are_cached() -> list[bool]:
        await poll_changes(here.deps)
        return [here.deps.cache.get(product.slug) is not None for product in (kettle, mug)]

    await poll_changes(here.deps)

    for product in (kettle, mug):
        await here.get_product(product.id)

    assert await are_cached() == [True, True]

    await there.hold((kettle, 4))
    assert (await here.get_product(kettle.id)).stock == 10
    assert await are_cached() == [False, True]
    assert (await here.get_product(kettle.id)).stock == 6

    # An uncommitted change is not seen yet, and not missed when it is committed late.
    async with there.database.transaction() as tx:
        await tx.execute(
            "UPDATE products SET title = 'Big mug', changed_in = pg_current_xact_id() WHERE id = $1", mug.id
        )
        assert await are_cached() == [True, True]
    assert await are_cached() == [True, False]
    assert (await here.get_product(mug.id)).title == "Big mug"

    await there.set_shop_status(seller, "suspended")
    assert await are_cached() == [False, False]

    with pytest.raises(NotFound):
        await here.get_product(kettle.id)

    for database in databases:
        await database.close()


async def all_lists(service: ServiceHarness) -> list[bytes]:
    requests = (
        GetAllProducts(),
        GetAllProducts(sort="price-low", limit=3),
        GetAllProducts(category="kitchen", limit=5),
    )
    searches = (SearchProducts(q="kettle"), SearchProducts(q="kettle", limit=2))
    results = await asyncio.gather(
        *(get_all_products(service.deps, caller(None), request) for request in requests),
        *(search_products(service.deps, caller(None), request) for request in searches),
    )
    return [result.body for result in results]


async def test_lists_and_searches_match_a_fresh_read_after_every_change(
    two: tuple[ServiceHarness, ServiceHarness, list[Database]],
) -> None:
    here, there, databases = two
    seller, other = await here.seller(), await here.seller(name="Other")
    kettles = [await here.create_product(seller, f"Kettle {n}", price={"amount": 100 * n}) for n in range(1, 8)]
    await here.create_product(other, "Other kettle", price={"amount": 350})

    async def update(product: Product, **fields: object) -> None:
        request = convert({"product_id": product.id, **fields}, UpdateProduct)
        await update_product(there.deps, caller(seller), request)

    async def sell_out(product: Product) -> None:
        session = await there.hold((product, 10))
        await update_stock(there.deps, UpdateStock(session_id=session, lines=[Line(product.id, 10)]))

    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "a price": lambda: update(kettles[0], price={"amount": 105}),
        "a title": lambda: update(kettles[1], title="Kettle of iron"),
        "a sale": lambda: sell_out(kettles[2]),
        "a status": lambda: update(kettles[3], title="Kettle gun"),
        "a suspended shop": lambda: there.set_shop_status(other, "suspended"),
        "a new product": lambda: there.create_product(seller, "New kettle"),
    }
    await poll_changes(here.deps)
    now: list[bytes] = []

    for what, change in changes.items():
        cached = await all_lists(here)
        await change()
        assert await all_lists(here) == cached, what
        await poll_changes(here.deps)
        # As if the age limit of pages had passed.
        here.deps.cache.invalidate_pages()
        now = await all_lists(here)
        assert now == await all_lists(ServiceHarness(databases[1], journal=here.deps.journal)), what
        assert now[0] != cached[0], what

    assert [len(decoded(body)["items"]) for body in now] == [7, 3, 5, 7, 2]

    for database in databases:
        await database.close()
