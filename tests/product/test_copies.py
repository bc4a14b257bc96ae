"""Many copies of product cost the database what one copy costs."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest

from nextbuy.contracts.product import Product
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.cache_server import CacheServer, cache_client
from nextbuy.kit.storage.database import Database
from nextbuy.product import product_cache
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.product_cache import ProductCache
from nextbuy.product.search_products import SearchProducts, search_products
from tests.callers import caller
from tests.product.service_harness import ServiceHarness

pytestmark = pytest.mark.usefixtures("patient_cache")
OpenCopies = Callable[[int], Awaitable[list["Copy"]]]
MAX_AGE: Final = 0.5
"""Seconds. A third of the real limit, as are the intervals below, so that the test sees ten pages expire."""
DURATION: Final = 5.0
POLL_INTERVAL: Final = 0.5 / 3
CHANGE_INTERVAL: Final = 1.0 / 3


class CountingDatabase(Database):
    """A database that counts the statements that read lists, searches and products."""

    reads = 0

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        if "pg_current_snapshot" not in sql:
            self.reads += 1
        return await super().fetch(sql, *values)


class Copy:
    """One copy of product on the shared database and the shared cache."""

    def __init__(self, service: ServiceHarness, database: Database) -> None:
        self.service = service
        assert isinstance(database, CountingDatabase)
        self.database = database

    async def poll(self) -> None:
        """Follow the changes, as the job does."""
        while True:
            await poll_changes(self.service.deps)
            await asyncio.sleep(POLL_INTERVAL)


@pytest.fixture(autouse=True)
def faster_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages live for a third of the real time."""
    monkeypatch.setattr(product_cache, "MAX_AGE", MAX_AGE)


@pytest.fixture
async def open_copies(
    database_url: Callable[[str], Awaitable[str]], redis_url: str, journal: Journal
) -> AsyncIterator[OpenCopies]:
    """A function that opens copies of the service on one database and one Redis; they follow its changes."""
    async with AsyncExitStack() as stack:

        async def open_copies(number: int) -> list[Copy]:
            url, copies = await database_url("product"), []
            for _ in range(number):
                database = await CountingDatabase.connect(url, "product")
                server = CacheServer(cache_client(redis_url), Breaker(time.monotonic))
                service = ServiceHarness(database, journal=journal)
                shared = SharedCache(server, f"copies-{number}:")
                service.deps = dataclasses.replace(service.deps, cache=ProductCache(shared))
                stack.push_async_callback(database.close)
                stack.push_async_callback(server.close)
                copies.append(Copy(service, database))
                await stack.enter_async_context(running(copies[-1].poll()))
            return copies

        yield open_copies


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a task until the context ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def products(copy: Copy) -> list[Product]:
    """List some products of one seller."""
    seller = await copy.service.seller()
    return [await copy.service.create_product(seller, f"Copper kettle {n}") for n in range(30)]


async def keep_changing(copy: Copy, listed: Sequence[Product]) -> None:
    """Sell a unit of one product after the other."""
    for product in listed:
        await copy.database.execute(
            "UPDATE products SET stock = stock - 1, changed_in = pg_current_xact_id() WHERE id = $1", product.id
        )
        await asyncio.sleep(CHANGE_INTERVAL)


async def reads_of(copies: list[Copy], visit: Callable[[Copy], Awaitable[object]]) -> int:
    """Return how often the database is read while all copies are visited at once, for `DURATION`."""
    listed = await products(copies[0])

    async def visits(copy: Copy) -> None:
        ends = time.monotonic() + DURATION
        while time.monotonic() < ends:
            await visit(copy)
            await asyncio.sleep(0.01)

    before = sum(copy.database.reads for copy in copies)
    async with running(keep_changing(copies[0], listed)):
        await asyncio.gather(*(visits(copy) for copy in copies))
    return sum(copy.database.reads for copy in copies) - before


async def visit_list(copy: Copy) -> None:
    await get_all_products(copy.service.deps, caller(None), GetAllProducts())


async def visit_search(copy: Copy) -> None:
    await search_products(copy.service.deps, caller(None), SearchProducts(q="kettle"))


async def test_three_copies_read_a_list_as_often_as_one(open_copies: OpenCopies) -> None:
    one = await reads_of(await open_copies(1), visit_list)
    three = await reads_of(await open_copies(3), visit_list)

    assert one >= DURATION / MAX_AGE
    assert three <= 1.5 * one  # Three times as often, if each copy read for itself.


async def test_search_is_run_once_per_age_limit_however_many_copies(open_copies: OpenCopies) -> None:
    copies = await open_copies(5)

    reads = await reads_of(copies, visit_search)

    # The search and its products.
    assert reads <= 3 * (2 + DURATION / MAX_AGE)
