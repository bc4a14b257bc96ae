"""What readers ask for most, kept encoded in this process: never more than 2 s behind, in any number of processes.

Products stay until they change. This process tells of its own changes at once (`drop`); those of others are found by
looking into the database twice a second (`caught_up`), and nothing is given out unless the last look that succeeded
began less than `GOOD_FOR` ago. So where looking stops, for whatever reason, the shelf is as good as empty. Lists are
kept for `PAGE_FOR` and not looked after.

A reader may still be on its way with an old row when the row is dropped: every load under way hears of drops, and
what was dropped meanwhile is handed to who waits for it and not kept. Who comes after a drop does not join a load
from before it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from typing import Any, Final, TypeVar
from uuid import UUID

from msgspec import Struct

from nextbuy.kit.wire import Encoded
from nextbuy.product.model import ProductShown
from nextbuy.product.store.changes import Look

GOOD_FOR: Final = 1.5
"""Seconds after the beginning of a look for which what is kept may be given out."""
PAGE_FOR: Final = 1.0
"""Seconds for which a page of a list is given out again."""

Value = TypeVar("Value")


class Shelved(Struct, frozen=True):
    """A product that anyone may see, and its answer as bytes."""

    product_id: UUID
    slug: str
    shop_id: UUID
    seller_id: UUID
    answer: Encoded[ProductShown]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.answer.body) + 600


class _Load(Struct, eq=False):
    """Something being read from the database, for all who want it."""

    task: asyncio.Task[Any] | None = None
    dropped: set[UUID] = set()
    spoilt: bool = False


class Shelf:
    """The read cache of one process; it may hold 20,000 products and 2,000 pages, and 64 MB of each."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        most_products: int = 20_000,
        most_pages: int = 2_000,
        most_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """Begin empty, on a clock of monotonic seconds."""
        self._now = now
        self._most_products = most_products
        self._most_pages = most_pages
        self._most_bytes = most_bytes
        self._products: dict[str, Shelved] = {}
        """By id and by slug; the older first."""
        self._bytes = 0
        self._pages: dict[Hashable, tuple[float, Encoded[Any]]] = {}
        self._page_bytes = 0
        self._loads: set[_Load] = set()
        self._joinable: dict[Hashable, _Load] = {}
        self._good_until = float("-inf")
        self.snapshot: str | None = None
        """What the last look could see."""

    def find(self, key: str) -> Shelved | None:
        """Return a product by its id (lower case) or slug, where it is here and good."""
        kept = self._products.get(key)
        return kept if kept is not None and self._now() < self._good_until else None

    async def load(self, key: str, read: Callable[[], Awaitable[Shelved | None]]) -> Shelved | None:
        """Read a product and keep it; all who ask for it at once wait for one reading."""

        async def act(load: _Load) -> Shelved | None:
            read_now = await read()
            if read_now is not None and not load.spoilt and not {read_now.product_id, read_now.shop_id} & load.dropped:
                self._put(read_now)
            return read_now

        return await self._once(("product", key), act)

    async def page(self, key: Hashable, read: Callable[[], Awaitable[Encoded[Value]]]) -> Encoded[Value]:
        """Return a page of a list, from here where it is fresh enough."""
        kept = self._pages.get(key)
        if kept is not None and self._now() < kept[0]:
            return kept[1]

        async def act(load: _Load) -> Encoded[Value]:
            until = self._now() + PAGE_FOR
            read_now = await read()
            if not load.spoilt:
                self._put_page(key, until, read_now)
            return read_now

        return await self._once(("page", key), act)

    def drop(self, product_ids: Iterable[UUID], shop_ids: Collection[UUID] = ()) -> None:
        """Forget products, and all products of some shops: they have changed."""
        gone = {*product_ids, *shop_ids}
        if not gone:
            return
        for product_id in gone:
            self._take_out(str(product_id))
        if shop_ids:
            for kept in [kept for kept in self._products.values() if kept.shop_id in gone]:
                self._take_out(str(kept.product_id))
        for load in self._loads:
            load.dropped |= gone
        self._joinable.clear()

    def drop_pages(self) -> None:
        """Forget all lists, so that who has just changed an offer sees it in them."""
        self._pages.clear()
        self._page_bytes = 0
        for load in self._loads:
            load.spoilt = True
        self._joinable.clear()

    def caught_up(self, began: float, look: Look) -> None:
        """Take in what a look into the database, begun at `began`, has seen since the look before it."""
        if look.all:
            self._products.clear()
            self._bytes = 0
            self.drop_pages()
        else:
            self.drop(look.product_ids, look.shop_ids)
        self.snapshot = look.snapshot
        self._good_until = began + GOOD_FOR

    async def _once(self, key: Hashable, act: Callable[[_Load], Awaitable[Value]]) -> Value:
        load = self._joinable.get(key)
        if load is None or load.task is None:
            load = _Load()
            # A task of its own: who asked first may go away without spoiling it for the others.
            load.task = asyncio.ensure_future(self._run(key, load, act))
            load.task.add_done_callback(_retrieve)
            self._loads.add(load)
            self._joinable[key] = load
        value: Value = await asyncio.shield(load.task)
        return value

    async def _run(self, key: Hashable, load: _Load, act: Callable[[_Load], Awaitable[Value]]) -> Value:
        try:
            return await act(load)
        finally:
            self._loads.discard(load)
            if self._joinable.get(key) is load:
                del self._joinable[key]

    def _put(self, new: Shelved) -> None:
        self._take_out(str(new.product_id))
        self._products[str(new.product_id)] = self._products[new.slug] = new
        self._bytes += new.size
        while len(self._products) > 2 * self._most_products or self._bytes > self._most_bytes:
            self._take_out(next(iter(self._products)))

    def _take_out(self, key: str) -> None:
        kept = self._products.get(key)
        if kept is not None:
            del self._products[str(kept.product_id)], self._products[kept.slug]
            self._bytes -= kept.size

    def _put_page(self, key: Hashable, until: float, page: Encoded[Any]) -> None:
        self._forget_page(key)
        self._pages[key] = until, page
        self._page_bytes += len(page.body)
        while len(self._pages) > self._most_pages or self._page_bytes > self._most_bytes:
            self._forget_page(next(iter(self._pages)))

    def _forget_page(self, key: Hashable) -> None:
        kept = self._pages.pop(key, None)
        if kept is not None:
            self._page_bytes -= len(kept[1].body)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look how a load ended: who waited for it may have gone away, and an error that nobody looks at is logged."""
    if not task.cancelled():
        task.exception()
