"""The product cache serves nothing that is over two seconds old."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.product import Moderation, Product
from nextbuy.contracts.values import Price, new_id
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.changes import Snapshot
from nextbuy.product.model import ProductShown
from nextbuy.product.product_cache import MAX_AGE, CachedProduct, ProductCache
from nextbuy.product.store.changes import Changes
from nextbuy.product.store.lists import PageIds
from nextbuy.product.store.products import OwnedProduct
from tests.waiting import until

SNAPSHOT = Snapshot("1:1:", datetime.now(UTC))


class Clock:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class CacheProbe:
    """A cache in front of one stored product, which counts its reads."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.cache = ProductCache(SharedCache(None, ""), self.clock, **limits)
        self.product_id, self.shop_id = new_id(), new_id()
        self.body = b"old"
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.poll()

    def poll(self, *product_ids: UUID, shop_ids: tuple[UUID, ...] = (), anything: bool = False) -> None:
        self.cache.apply_changes(self.clock.now, Changes(SNAPSHOT, set(product_ids), set(shop_ids), all=anything))

    async def read(self) -> CachedProduct | None:
        self.reads += 1
        body = self.body
        if self.gate is not None:
            await self.gate.wait()
        return CachedProduct(self.product_id, "slug", self.shop_id, new_id(), body, "", self.clock.now)

    async def get(self, key: str = "slug") -> bytes:
        product = self.cache.get(key) or await self.cache.load(key, self.read)
        assert product is not None
        return product.body


async def test_product_is_read_once_and_found_by_id_and_slug() -> None:
    probe = CacheProbe()

    assert [await probe.get(), await probe.get(str(probe.product_id)), await probe.get()] == [b"old"] * 3
    assert probe.reads == 1


async def test_nothing_is_served_once_polling_has_stopped() -> None:
    probe = CacheProbe()
    await probe.get()
    probe.clock.now += MAX_AGE - 0.01

    assert probe.cache.get("slug") is not None

    probe.clock.now += 0.01
    assert probe.cache.get("slug") is None

    probe.poll()
    assert probe.cache.get("slug") is not None


@pytest.mark.parametrize("what", ["product", "shop", "anything"])
async def test_polled_change_causes_a_new_read(what: str) -> None:
    probe = CacheProbe()
    await probe.get()
    probe.body = b"new"
    if what == "product":
        probe.poll(probe.product_id)
    else:
        probe.poll(shop_ids=(probe.shop_id,) if what == "shop" else (), anything=what == "anything")

    assert await probe.get() == b"new"


@pytest.mark.parametrize("what", ["own change", "product", "shop", "anything"])
async def test_slow_read_does_not_cache_what_was_invalidated_meanwhile(what: str) -> None:
    probe = CacheProbe()
    probe.gate = asyncio.Event()
    slow = asyncio.create_task(probe.get())
    await until(lambda: probe.reads == 1)
    probe.body = b"new"
    if what == "own change":
        probe.cache.invalidate([probe.product_id])
    elif what == "product":
        probe.poll(probe.product_id)
    else:
        probe.poll(shop_ids=(probe.shop_id,) if what == "shop" else (), anything=what == "anything")
    late = asyncio.create_task(probe.get())
    await until(lambda: probe.reads == 2)
    probe.gate.set()

    assert (await slow, await late) == (b"old", b"new")
    assert await probe.get() == b"new"
    assert probe.reads == 2


async def test_thousand_concurrent_misses_read_once() -> None:
    probe = CacheProbe()

    assert set(await asyncio.gather(*(probe.get() for _ in range(1_000)))) == {b"old"}
    assert probe.reads == 1


async def test_cancelled_first_request_does_not_cancel_the_others() -> None:
    probe = CacheProbe()
    probe.gate = asyncio.Event()
    first, second = asyncio.create_task(probe.get()), asyncio.create_task(probe.get())
    await until(lambda: probe.reads == 1)

    first.cancel()
    probe.gate.set()

    assert await second == b"old"
    assert first.cancelled()


async def test_failed_read_fails_waiting_requests_only() -> None:
    probe = CacheProbe()

    async def fail() -> CachedProduct | None:
        await asyncio.sleep(0)
        raise Unavailable("unavailable")

    results = await asyncio.gather(*(probe.cache.load("slug", fail) for _ in range(3)), return_exceptions=True)

    assert all(isinstance(result, Unavailable) for result in results)
    assert await probe.get() == b"old"


@pytest.mark.parametrize("limits", [{"max_products": 10}, {"max_bytes": 10 * 700}])
async def test_cache_is_bounded_and_evicts_oldest(limits: dict[str, int]) -> None:
    probe = CacheProbe(**limits)
    for number in range(30):
        cached = CachedProduct(new_id(), f"slug-{number}", new_id(), new_id(), b"x" * 100, "", 0.0)

        async def read(cached: CachedProduct = cached) -> CachedProduct:
            return cached

        await probe.cache.load(cached.slug, read)

    assert [number for number in range(30) if probe.cache.get(f"slug-{number}")] == list(range(20, 30))


class PageProbe:
    """A list page with one product, which counts how often it was listed and read."""

    def __init__(self, **limits: int) -> None:
        self.probe = CacheProbe(**limits)
        self.listed = self.read = 0
        self.gate: asyncio.Event | None = None

    async def page_ids(self) -> PageIds:
        self.listed += 1
        return PageIds([str(self.probe.product_id)], None)

    async def read_rows(self, ids: list[str]) -> list[OwnedProduct]:
        self.read += 1
        assert ids == [str(self.probe.product_id)]
        if self.gate is not None:
            await self.gate.wait()
        return [OwnedProduct(a_product(self.probe.product_id, self.probe.shop_id), new_id())]

    async def page(self, key: str = "a") -> bytes:
        return (await self.probe.cache.load_page(key, self.page_ids, self.read_rows)).body

    async def requests_of(self, key: str = "a") -> tuple[int, int]:
        """Request the page, and return how often it was listed and read for that."""
        before = self.listed, self.read
        await self.page(key)
        return self.listed - before[0], self.read - before[1]


def a_product(product_id: UUID, shop_id: UUID) -> Product:
    return Product(
        id=product_id,
        etag='"1.7"',
        slug="slug",
        title="Kettle “é”",
        description="",
        category="Kitchen",
        price=Price(1),
        stock=1,
        tags=[],
        status="active",
        shop_id=shop_id,
        picture="/picture",
        moderation=Moderation(0, "active", []),
        created_at=datetime.now(UTC),
    )


async def test_page_consists_of_encoded_products() -> None:
    pages = PageProbe()
    await pages.page()
    cached = pages.probe.cache.get("slug")
    assert cached is not None

    item = msgspec.json.encode(msgspec.json.decode(cached.body, type=ProductShown).product)
    assert await pages.page() == b'{"items":[%b],"next_cursor":null}' % item


async def test_page_is_served_until_a_change_is_polled_or_polling_stops() -> None:
    pages = PageProbe()
    probe = pages.probe

    await asyncio.gather(*(pages.page() for _ in range(5)))

    assert (pages.listed, pages.read) == (1, 1)

    for _ in range(10):
        probe.clock.now += MAX_AGE - 0.01
        probe.poll()
    assert await pages.requests_of() == (0, 0)

    probe.poll(new_id())
    assert await pages.requests_of() == (1, 0)

    probe.clock.now += MAX_AGE - 0.01
    assert await pages.requests_of() == (0, 0)

    probe.clock.now += 0.01
    assert await pages.requests_of() == (1, 1)


async def test_page_is_no_fresher_than_its_products() -> None:
    pages = PageProbe()
    await pages.page("other")
    pages.probe.clock.now += 1.0
    await pages.page()
    pages.probe.clock.now += MAX_AGE - 1.0 - 0.01

    assert await pages.requests_of() == (0, 0)

    pages.probe.poll(new_id())
    pages.probe.clock.now += 0.01

    assert await pages.requests_of() == (1, 0)


async def test_slow_page_read_does_not_cache_changed_products() -> None:
    pages = PageProbe()
    probe = pages.probe
    pages.gate = asyncio.Event()
    slow = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 1)
    probe.poll(shop_ids=(probe.shop_id,))
    pages.gate.set()
    await slow

    assert probe.cache.get("slug") is None


async def test_late_request_does_not_join_a_slow_load() -> None:
    pages = PageProbe()
    pages.gate = asyncio.Event()
    slow = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 1)
    pages.probe.clock.now += MAX_AGE
    late = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 2)
    pages.gate.set()
    await asyncio.gather(slow, late)


async def test_pages_are_bounded_and_invalidated_by_own_changes() -> None:
    pages = PageProbe(max_pages=2)
    await pages.page()

    pages.probe.cache.invalidate_pages()

    assert await pages.requests_of() == (1, 0)
    assert [await pages.requests_of(key) for key in ("b", "a", "c", "a", "c")] == [
        (1, 0),
        (0, 0),
        (1, 0),
        (1, 0),
        (0, 0),
    ]
