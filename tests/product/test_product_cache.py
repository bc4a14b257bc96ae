"""What readers are given is never more than two seconds old."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from msgspec import convert

from nextbuy.contracts.errors import NotFound, Unavailable
from nextbuy.contracts.product import Line, Moderation, Product, UpdateStock
from nextbuy.contracts.values import Money, new_id
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Encoded
from nextbuy.product.follow_changes import follow_changes
from nextbuy.product.get_all_products import GetAllProducts, get_all_products
from nextbuy.product.model import ProductShown
from nextbuy.product.product_cache import GOOD_FOR, CachedProduct, ProductCache
from nextbuy.product.search_products import SearchProducts, search_products
from nextbuy.product.store.changes import Look
from nextbuy.product.store.lists import Chosen
from nextbuy.product.store.products import Owned
from nextbuy.product.update_product import UpdateProduct, update_product
from nextbuy.product.update_stock import update_stock
from tests.callers import caller
from tests.product.service_harness import Desk, decoded
from tests.waiting import until


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Stand:
    """A shelf, what is in the database behind it, and how often it was read."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.shelf = ProductCache(self.clock, **limits)
        self.product_id, self.shop_id = new_id(), new_id()
        self.body = b"old"
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.look()

    def look(self, *product_ids: UUID, shop_ids: tuple[UUID, ...] = (), anything: bool = False) -> None:
        self.shelf.caught_up(self.clock.now, Look("1:1:", set(product_ids), set(shop_ids), all=anything))

    async def read(self) -> CachedProduct | None:
        self.reads += 1
        body = self.body
        if self.gate is not None:
            await self.gate.wait()
        return CachedProduct(self.product_id, "slug", self.shop_id, new_id(), Encoded(body))

    async def get(self, key: str = "slug") -> bytes:
        kept = self.shelf.find(key) or await self.shelf.load(key, self.read)
        assert kept is not None
        return kept.answer.body


async def test_what_was_read_once_is_found_by_id_and_slug() -> None:
    stand = Stand()
    assert [await stand.get(), await stand.get(str(stand.product_id)), await stand.get()] == [b"old"] * 3
    assert stand.reads == 1


async def test_nothing_is_given_out_once_looking_has_stopped() -> None:
    stand = Stand()
    await stand.get()
    stand.clock.now += GOOD_FOR - 0.01
    assert stand.shelf.find("slug") is not None
    stand.clock.now += 0.01
    assert stand.shelf.find("slug") is None
    stand.look()
    assert stand.shelf.find("slug") is not None


@pytest.mark.parametrize("what", ["product", "shop", "anything"])
async def test_what_a_look_found_changed_is_read_anew(what: str) -> None:
    stand = Stand()
    await stand.get()
    stand.body = b"new"
    if what == "product":
        stand.look(stand.product_id)
    else:
        stand.look(shop_ids=(stand.shop_id,) if what == "shop" else (), anything=what == "anything")
    assert await stand.get() == b"new"


@pytest.mark.parametrize("what", ["own change", "product", "shop", "anything"])
async def test_a_slow_reader_does_not_put_back_what_was_dropped_meanwhile(what: str) -> None:
    stand = Stand()
    stand.gate = asyncio.Event()
    slow = asyncio.create_task(stand.get())
    await until(lambda: stand.reads == 1)
    stand.body = b"new"
    if what == "own change":
        stand.shelf.drop([stand.product_id])
    elif what == "product":
        stand.look(stand.product_id)
    else:
        stand.look(shop_ids=(stand.shop_id,) if what == "shop" else (), anything=what == "anything")
    late = asyncio.create_task(stand.get())
    await until(lambda: stand.reads == 2)
    stand.gate.set()
    assert (await slow, await late) == (b"old", b"new")
    assert await stand.get() == b"new"
    assert stand.reads == 2


async def test_a_thousand_who_miss_at_once_read_once() -> None:
    stand = Stand()
    assert set(await asyncio.gather(*(stand.get() for _ in range(1_000)))) == {b"old"}
    assert stand.reads == 1


async def test_who_asked_first_and_goes_away_takes_nothing_from_the_others() -> None:
    stand = Stand()
    stand.gate = asyncio.Event()
    first, second = asyncio.create_task(stand.get()), asyncio.create_task(stand.get())
    await until(lambda: stand.reads == 1)
    first.cancel()
    stand.gate.set()
    assert await second == b"old"
    assert first.cancelled()


async def test_a_failed_reading_fails_those_who_waited_and_no_one_after() -> None:
    stand = Stand()

    async def fail() -> CachedProduct | None:
        await asyncio.sleep(0)
        raise Unavailable("away")

    answers = await asyncio.gather(*(stand.shelf.load("slug", fail) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert await stand.get() == b"old"


@pytest.mark.parametrize("limits", [{"most_products": 10}, {"most_bytes": 10 * 700}])
async def test_a_shelf_holds_no_more_than_it_may_and_lets_the_oldest_go(limits: dict[str, int]) -> None:
    stand = Stand(**limits)
    for number in range(30):
        kept = CachedProduct(new_id(), f"slug-{number}", new_id(), new_id(), Encoded(b"x" * 100))

        async def read(kept: CachedProduct = kept) -> CachedProduct:
            return kept

        await stand.shelf.load(kept.slug, read)
    assert [number for number in range(30) if stand.shelf.find(f"slug-{number}")] == list(range(20, 30))


class Pages:
    """A list of one product in a database, its shelf, and how often either was asked for."""

    def __init__(self, **limits: int) -> None:
        self.stand = Stand(**limits)
        self.chosen = self.read = 0
        self.gate: asyncio.Event | None = None

    async def choose(self) -> Chosen:
        self.chosen += 1
        return Chosen([str(self.stand.product_id)], None)

    async def read_rows(self, ids: list[str]) -> list[Owned]:
        self.read += 1
        assert ids == [str(self.stand.product_id)]
        if self.gate is not None:
            await self.gate.wait()
        return [Owned(a_product(self.stand.product_id, self.stand.shop_id), new_id())]

    async def page(self, key: str = "a") -> bytes:
        return (await self.stand.shelf.page(key, self.choose, self.read_rows)).body

    async def asked(self, key: str = "a") -> tuple[int, int]:
        """Ask for the page, and return how often it was chosen and read for that."""
        before = self.chosen, self.read
        await self.page(key)
        return self.chosen - before[0], self.read - before[1]


def a_product(product_id: UUID, shop_id: UUID) -> Product:
    return Product(
        id=product_id,
        slug="slug",
        title="Kettle “é”",
        description="",
        category="Kitchen",
        price=Money(1),
        stock=1,
        tags=[],
        status="active",
        shop_id=shop_id,
        picture="",
        moderation=Moderation(0, "active", []),
        created_at=datetime.now(UTC),
    )


async def test_a_page_is_the_bytes_that_its_products_are() -> None:
    pages = Pages()
    await pages.page()
    kept = pages.stand.shelf.find("slug")
    assert kept is not None
    item = msgspec.json.encode(msgspec.json.decode(kept.answer.body, type=ProductShown).product)
    assert await pages.page() == b'{"items":[%b],"next_cursor":null}' % item


async def test_a_page_is_given_again_until_a_look_finds_something_changed_or_looking_stops() -> None:
    pages = Pages()
    stand = pages.stand
    await asyncio.gather(*(pages.page() for _ in range(5)))
    assert (pages.chosen, pages.read) == (1, 1)
    for _ in range(10):
        stand.clock.now += GOOD_FOR - 0.01
        stand.look()
    assert await pages.asked() == (0, 0)
    stand.look(new_id())
    assert await pages.asked() == (1, 0)
    stand.clock.now += GOOD_FOR - 0.01
    assert await pages.asked() == (0, 0)
    stand.clock.now += 0.01
    assert await pages.asked() == (1, 1)


async def test_a_page_is_no_fresher_than_the_products_that_it_was_put_together_from() -> None:
    pages = Pages()
    await pages.page("other")
    pages.stand.clock.now += 1.0
    await pages.page()
    pages.stand.clock.now += GOOD_FOR - 1.0 - 0.01
    assert await pages.asked() == (0, 0)
    pages.stand.look(new_id())
    pages.stand.clock.now += 0.01
    assert await pages.asked() == (1, 0)


async def test_what_a_page_read_slowly_is_not_put_on_the_shelf_once_it_has_changed() -> None:
    pages = Pages()
    stand = pages.stand
    pages.gate = asyncio.Event()
    slow = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 1)
    stand.look(shop_ids=(stand.shop_id,))
    pages.gate.set()
    await slow
    assert stand.shelf.find("slug") is None


async def test_who_comes_late_does_not_join_a_reading_that_is_too_slow() -> None:
    pages = Pages()
    pages.gate = asyncio.Event()
    slow = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 1)
    pages.stand.clock.now += GOOD_FOR
    late = asyncio.create_task(pages.page())
    await until(lambda: pages.read == 2)
    pages.gate.set()
    await asyncio.gather(slow, late)


async def test_only_so_many_pages_are_kept_and_none_where_an_offer_was_changed_here() -> None:
    pages = Pages(most_pages=2)
    await pages.page()
    pages.stand.shelf.drop_pages()
    assert await pages.asked() == (1, 0)
    assert [await pages.asked(key) for key in ("b", "a", "c", "a", "c")] == [(1, 0), (0, 0), (1, 0), (1, 0), (0, 0)]


@pytest.fixture
async def two(database_url: Callable[[str], Awaitable[str]], journal: Journal) -> tuple[Desk, Desk, list[Database]]:
    """Two processes' worth of service before one database."""
    url = await database_url("product")
    databases = [await Database.connect(url, "product") for _ in range(2)]
    here, there = (Desk(database, journal=journal) for database in databases)
    there.shops, there.accounts = here.shops, here.accounts
    return here, there, databases


async def test_what_another_process_changes_is_off_this_shelf_with_the_next_look(
    two: tuple[Desk, Desk, list[Database]],
) -> None:
    here, there, databases = two
    seller = await here.seller()
    kettle, mug = await here.offer(seller), await here.offer(seller, "Blue mug")

    async def kept() -> list[bool]:
        await follow_changes(here.product)
        return [here.product.shelf.find(product.slug) is not None for product in (kettle, mug)]

    await follow_changes(here.product)
    for product in (kettle, mug):
        await here.see(product.id)
    assert await kept() == [True, True]

    await there.hold((kettle, 4))
    assert (await here.see(kettle.id)).stock == 10
    assert await kept() == [False, True]
    assert (await here.see(kettle.id)).stock == 6

    # A change that is not committed is not seen, and not missed however late it is.
    async with there.database.transaction() as tx:
        await tx.execute(
            "UPDATE products SET title = 'Big mug', changed_in = pg_current_xact_id() WHERE id = $1", mug.id
        )
        assert await kept() == [True, True]
    assert await kept() == [True, False]
    assert (await here.see(mug.id)).title == "Big mug"

    await there.shop_becomes(seller, "suspended")
    assert await kept() == [False, False]
    with pytest.raises(NotFound):
        await here.see(kettle.id)
    for database in databases:
        await database.close()


async def the_lists(desk: Desk) -> list[bytes]:
    asks = (GetAllProducts(), GetAllProducts(sort="price-low", limit=3), GetAllProducts(category="kitchen", limit=5))
    searches = (SearchProducts(q="kettle"), SearchProducts(q="kettle", limit=2))
    answers = await asyncio.gather(
        *(get_all_products(desk.product, caller(None), ask) for ask in asks),
        *(search_products(desk.product, caller(None), ask) for ask in searches),
    )
    return [answer.body for answer in answers]


async def test_lists_and_searches_show_what_a_fresh_reading_shows_after_every_kind_of_change(
    two: tuple[Desk, Desk, list[Database]],
) -> None:
    here, there, databases = two
    seller, other = await here.seller(), await here.seller(name="Other")
    kettles = [await here.offer(seller, f"Kettle {n}", price={"amount": 100 * n}) for n in range(1, 8)]
    await here.offer(other, "Other kettle", price={"amount": 350})

    async def offer_anew(product: Product, **fields: object) -> None:
        ask = convert({"product_id": product.id, **fields}, UpdateProduct)
        await update_product(there.product, caller(seller), ask)

    async def sell_out(product: Product) -> None:
        session = await there.hold((product, 10))
        await update_stock(there.product, UpdateStock(session_id=session, lines=[Line(product.id, 10)]))

    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "a price": lambda: offer_anew(kettles[0], price={"amount": 105}),
        "a title": lambda: offer_anew(kettles[1], title="Kettle of iron"),
        "a sale": lambda: sell_out(kettles[2]),
        "a status": lambda: offer_anew(kettles[3], title="Kettle gun"),
        "a suspended shop": lambda: there.shop_becomes(other, "suspended"),
        "a new product": lambda: there.offer(seller, "Kettle anew"),
    }
    await follow_changes(here.product)
    now: list[bytes] = []
    for what, change in changes.items():
        kept = await the_lists(here)
        await change()
        assert await the_lists(here) == kept, what
        await follow_changes(here.product)
        # As if the time had passed for which a page is kept in any case.
        here.product.shelf.drop_pages()
        now = await the_lists(here)
        assert now == await the_lists(Desk(databases[1], journal=here.product.journal)), what
        assert now[0] != kept[0], what
    assert [len(decoded(body)["items"]) for body in now] == [7, 3, 5, 7, 2]
    for database in databases:
        await database.close()
