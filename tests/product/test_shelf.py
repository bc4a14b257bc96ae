"""What readers are given is never more than two seconds old."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from nextbuy.contracts.errors import NotFound, Unavailable
from nextbuy.contracts.values import new_id
from nextbuy.kit.database import Database
from nextbuy.kit.telemetry import Journal
from nextbuy.kit.wire import Encoded
from nextbuy.product.follow_changes import follow_changes
from nextbuy.product.shelf import GOOD_FOR, PAGE_FOR, Shelf, Shelved
from nextbuy.product.store.changes import Look
from tests.product.desk import Desk
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
        self.shelf = Shelf(self.clock, **limits)
        self.product_id, self.shop_id = new_id(), new_id()
        self.body = b"old"
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.look()

    def look(self, *product_ids: UUID, shop_ids: tuple[UUID, ...] = (), anything: bool = False) -> None:
        self.shelf.caught_up(self.clock.now, Look("1:1:", set(product_ids), set(shop_ids), all=anything))

    async def read(self) -> Shelved | None:
        self.reads += 1
        body = self.body
        if self.gate is not None:
            await self.gate.wait()
        return Shelved(self.product_id, "slug", self.shop_id, new_id(), Encoded(body))

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

    async def fail() -> Shelved | None:
        await asyncio.sleep(0)
        raise Unavailable("away")

    answers = await asyncio.gather(*(stand.shelf.load("slug", fail) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert await stand.get() == b"old"


@pytest.mark.parametrize("limits", [{"most_products": 10}, {"most_bytes": 10 * 700}])
async def test_a_shelf_holds_no_more_than_it_may_and_lets_the_oldest_go(limits: dict[str, int]) -> None:
    stand = Stand(**limits)
    for number in range(30):
        kept = Shelved(new_id(), f"slug-{number}", new_id(), new_id(), Encoded(b"x" * 100))

        async def read(kept: Shelved = kept) -> Shelved:
            return kept

        await stand.shelf.load(kept.slug, read)
    assert [number for number in range(30) if stand.shelf.find(f"slug-{number}")] == list(range(20, 30))


async def test_a_page_is_given_again_for_a_second_and_no_longer() -> None:
    stand = Stand(most_pages=2)

    async def read() -> Encoded[str]:
        stand.reads += 1
        return Encoded(b"[]")

    await asyncio.gather(*(stand.shelf.page("a", read) for _ in range(5)))
    assert stand.reads == 1
    stand.clock.now += PAGE_FOR
    await stand.shelf.page("a", read)
    assert stand.reads == 2
    stand.shelf.drop_pages()
    await stand.shelf.page("a", read)
    assert stand.reads == 3
    for key in ("b", "c", "a"):
        await stand.shelf.page(key, read)
    assert stand.reads == 6


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
