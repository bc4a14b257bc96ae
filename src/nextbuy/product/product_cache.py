"""What readers ask for most, kept encoded in this process: never more than 2 s behind, in any number of processes.

Products stay until they change. This process tells of its own changes at once (`drop`); those of others are found by
looking into the database twice a second (`caught_up`), and nothing is given out unless the last look that succeeded
began less than `GOOD_FOR` ago. So where looking stops, for whatever reason, the shelf is as good as empty.

Of a page of a list the database says only which products are on it, which is what it alone can say; they themselves
come from the shelf, and those that it lacks are read and put there. A page is kept for `GOOD_FOR` after what it shows,
and longer as long as no look finds anything changed.

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

from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Page
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.model import ProductShown
from nextbuy.product.store.changes import Look
from nextbuy.product.store.lists import Chosen
from nextbuy.product.store.products import Owned

GOOD_FOR: Final = 1.5
"""Seconds after the beginning of a look, or of a reading, for which what it saw may be given out.

What is committed before the beginning is seen, so nothing given out is further behind than this. Of the two seconds
that are promised the rest is for the way out: what is given out is at hand then, and waits for no further reading.
"""

_HEAD: Final = len(b'{"product":')
Value = TypeVar("Value")


class CachedProduct(Struct, frozen=True):
    """A product that anyone may see, and its answer as bytes."""

    product_id: UUID
    slug: str
    shop_id: UUID
    seller_id: UUID
    answer: Encoded[ProductShown]

    @property
    def item(self) -> bytes:
        """The product as it is in a list: the answer without what is around it."""
        return self.answer.body[_HEAD:-1]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.answer.body) + 600


def cached_product(owned: Owned) -> CachedProduct:
    """Return a product as it is kept."""
    shown = owned.product
    return CachedProduct(shown.id, shown.slug, shown.shop_id, owned.seller_id, Encoded(encode(ProductShown(shown))))


class _Page(Struct, frozen=True):
    """A page: since when it may be behind, unless nothing has changed since it was begun."""

    as_of: float
    changes: int
    answer: Encoded[Page[Product]]


class _Load(Struct, eq=False):
    """Something being read from the database, for all who want it."""

    began: float
    task: asyncio.Task[Any] | None = None
    dropped: set[UUID] = set()
    spoilt: bool = False


class ProductCache:
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
        self._products: dict[str, CachedProduct] = {}
        """By id and by slug; the older first."""
        self._bytes = 0
        self._pages: dict[Hashable, _Page] = {}
        self._page_bytes = 0
        self._loads: set[_Load] = set()
        self._joinable: dict[Hashable, _Load] = {}
        self._looked = float("-inf")
        """When the last look that succeeded began."""
        self._changes = 0
        """How often something was found changed."""
        self.snapshot: str | None = None
        """What the last look could see."""

    def find(self, key: str) -> CachedProduct | None:
        """Return a product by its id (lower case) or slug, where it is here and good."""
        kept = self._products.get(key)
        return kept if kept is not None and self._good() else None

    def _good(self) -> bool:
        return self._now() < self._looked + GOOD_FOR

    async def load(self, key: str, read: Callable[[], Awaitable[CachedProduct | None]]) -> CachedProduct | None:
        """Read a product and keep it; all who ask for it at once wait for one reading."""

        async def act(load: _Load) -> CachedProduct | None:
            read_now = await read()
            if read_now is not None:
                self._keep(load, read_now)
            return read_now

        return await self._once(("product", key), act)

    async def page(
        self,
        key: Hashable,
        choose: Callable[[], Awaitable[Chosen]],
        read: Callable[[list[str]], Awaitable[list[Owned]]],
    ) -> Encoded[Page[Product]]:
        """Return a page of a list, from here where it is fresh enough.

        `choose` says which products are on it, `read` reads those of some that anyone may see.
        """
        kept = self._pages.get(key)
        if kept is not None:
            as_of = max(kept.as_of, self._looked) if kept.changes == self._changes else kept.as_of
            if self._now() < as_of + GOOD_FOR:
                return kept.answer

        async def act(load: _Load) -> Encoded[Page[Product]]:
            changes = self._changes
            chosen = await choose()
            items, as_of = await self._items(load, chosen.ids, read)
            answer = b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), encode(chosen.next_cursor))
            made = _Page(as_of, changes, Encoded(answer))
            if not load.spoilt:
                self._put_page(key, made)
            return made.answer

        return await self._once(("page", key), act)

    async def _items(
        self, load: _Load, ids: list[str], read: Callable[[list[str]], Awaitable[list[Owned]]]
    ) -> tuple[list[bytes], float]:
        """Return products as they are in a list, and since when one of them may be behind."""
        read_now: dict[str, bytes] = {}
        # Again where reading took so long that what was here is not good any more.
        while lacking := self._lacking(ids, read_now):
            read_now |= dict.fromkeys(lacking, b"")
            for new in map(cached_product, await read(lacking)):
                read_now[str(new.product_id)] = new.item
                self._keep(load, new)
        items = [read_now[one] if one in read_now else self._products[one].item for one in ids]
        as_of = load.began if len(read_now) == len(ids) else min(load.began, self._looked)
        return [item for item in items if item], as_of

    def _lacking(self, ids: list[str], beside: Collection[str]) -> list[str]:
        here: Collection[str] = self._products if self._good() else ()
        return [one for one in ids if one not in here and one not in beside]

    def drop(self, product_ids: Iterable[UUID], shop_ids: Collection[UUID] = ()) -> None:
        """Forget products, and all products of some shops: they have changed."""
        gone = {*product_ids, *shop_ids}
        if not gone:
            return
        self._changes += 1
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
        self._looked = began

    async def _once(self, key: Hashable, act: Callable[[_Load], Awaitable[Value]]) -> Value:
        load = self._joinable.get(key)
        if load is None or load.task is None or self._now() >= load.began + GOOD_FOR:
            load = _Load(self._now())
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

    def _keep(self, load: _Load, new: CachedProduct) -> None:
        if not load.spoilt and not {new.product_id, new.shop_id} & load.dropped:
            self._put(new)

    def _put(self, new: CachedProduct) -> None:
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

    def _put_page(self, key: Hashable, page: _Page) -> None:
        self._forget_page(key)
        self._pages[key] = page
        self._page_bytes += len(page.answer.body)
        while len(self._pages) > self._most_pages or self._page_bytes > self._most_bytes:
            self._forget_page(next(iter(self._pages)))

    def _forget_page(self, key: Hashable) -> None:
        kept = self._pages.pop(key, None)
        if kept is not None:
            self._page_bytes -= len(kept.answer.body)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look how a load ended: who waited for it may have gone away, and an error that nobody looks at is logged."""
    if not task.cancelled():
        task.exception()
