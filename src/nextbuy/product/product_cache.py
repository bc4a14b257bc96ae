"""Encoded products and list pages in the memory of this process, at most 2 s older than the database.

Changes by this process are invalidated at once (`invalidate`), changes by others after a poll of the database
(`poll_changes`, `apply_changes`). Entries are served only if the last successful poll started less than `MAX_AGE` ago,
so a process that cannot poll serves nothing from here.

For a list, the database returns the ids of a page; the products come from the cache, or are read and cached. A page is
served for `MAX_AGE`, and longer while polls find no change. Pages that all visitors share are also in the
shared cache (`kit/storage/cache.py`); a page from there is served until it expires there, whatever polls find.

A load may have read an old row when that row is invalidated. Each running load therefore records invalidations: a
product invalidated meanwhile is returned to the waiting requests but not cached, and later requests start a new load.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.kit.storage.cache import CachedValue, SharedCache
from nextbuy.kit.storage.changes import Snapshot
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.model import ProductShown, shown_product
from nextbuy.product.store.changes import Changes
from nextbuy.product.store.lists import PageIds
from nextbuy.product.store.products import OwnedProduct

MAX_AGE: Final = 1.5
"""Seconds from the start of a poll or a read during which its result is served.

Whatever was committed before the start is seen, so no reply is older than this. The rest of the promised two seconds is
for sending the reply.
"""

_PREFIX_LENGTH: Final = len(b'{"product":')
Value = TypeVar("Value")


class CachedProduct(Struct, frozen=True):
    """A product for sale, as anybody may see it."""

    product_id: UUID
    slug: str
    shop_id: UUID
    seller_id: UUID
    body: bytes
    """The encoded reply."""
    etag: str
    as_of: float
    """The time before it was read."""

    @property
    def item(self) -> bytes:
        """The product as an item of a list: the reply without its outer object."""
        return self.body[_PREFIX_LENGTH:-1]

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        return len(self.body) + 600


def cached_product(owned: OwnedProduct, as_of: float) -> CachedProduct:
    """Encode a product, which was read after `as_of`, for the cache."""
    product = owned.product
    return CachedProduct(
        product_id=product.id,
        slug=product.slug,
        shop_id=product.shop_id,
        seller_id=owned.seller_id,
        body=encode(shown_product(product, to_owner=False)),
        etag=product.etag,
        as_of=as_of,
    )


class _Page(Struct, frozen=True):
    """An encoded page, fresh from `as_of`, or from the last poll if no change was found since `change_count`."""

    as_of: float
    change_count: int | None
    """None if the page came from the shared cache, since this process does not know what changed before."""
    body: bytes


class _Load(Struct, eq=False):
    """A read from the database, shared by all requests for the same key."""

    started: float
    task: asyncio.Task[Any] | None = None
    invalidated: set[UUID] = set()
    stale: bool = False


class ProductCache:
    """The product cache of one process, bounded by entries and by bytes; the oldest entries are evicted first."""

    def __init__(
        self,
        shared: SharedCache,
        now: Callable[[], float] = time.monotonic,
        *,
        max_products: int = 20_000,
        max_pages: int = 2_000,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """Start empty; `now` returns monotonic seconds, and `max_bytes` holds for products and pages separately."""
        self._shared = shared
        self._now = now
        self._max_products = max_products
        self._max_pages = max_pages
        self._max_bytes = max_bytes
        self._products: dict[str, CachedProduct] = {}
        """By id and by slug, oldest first."""
        self._bytes = 0
        self._pages: dict[Hashable, _Page] = {}
        self._page_bytes = 0
        self._loads: set[_Load] = set()
        self._joinable: dict[Hashable, _Load] = {}
        self._polled_at = float("-inf")
        """The start of the last successful poll."""
        self._change_count = 0
        self._own_change_at = float("-inf")
        """The time after the last change by this process that its seller sees in pages at once."""
        self.snapshot: Snapshot | None = None
        """The database snapshot of the last poll."""

    def get(self, key: str) -> CachedProduct | None:
        """Return a product by its id (lower case) or slug, if it is cached and fresh."""
        cached = self._products.get(key)
        return cached if cached is not None and self._is_fresh() else None

    def reply(self, product: CachedProduct) -> Encoded[ProductShown]:
        """Return the reply that shows a product, with its age; polls confirm a product that is still cached."""
        confirmed = self.get(product.slug) is product
        return Encoded(product.body, product.etag, max(product.as_of, self._polled_at) if confirmed else product.as_of)

    def _is_fresh(self) -> bool:
        return self._now() < self._polled_at + MAX_AGE

    async def load(self, key: str, read: Callable[[], Awaitable[CachedProduct | None]]) -> CachedProduct | None:
        """Read a product and cache it; concurrent requests for a key share one read."""

        async def run(load: _Load) -> CachedProduct | None:
            product = await read()
            if product is not None:
                self._insert(load, product)
            return product

        return await self._join_or_start(("product", key), run)

    async def load_page(
        self,
        key: Hashable,
        page_ids: Callable[[], Awaitable[PageIds]],
        read: Callable[[list[str]], Awaitable[list[OwnedProduct]]],
        *,
        share: tuple[str, Struct] | None = None,
    ) -> Encoded[Page[PublicProduct]]:
        """Return a page of a list, from a cache if it is fresh.

        Args:
            key: identifies the page in this process.
            page_ids: returns the ids of the page.
            read: returns the products for sale among ids.
            share: the kind of page and the request that identify it in all copies, if the shared cache has it too.
        """

        async def compose(load: _Load) -> tuple[bytes, bool]:
            ids = await page_ids()
            # Cached products would shorten the life of a page that other copies use.
            whole = share is not None and self._shared.enabled
            items, from_cache = await self._load_items(load, ids.ids, read, whole=whole)
            return b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), encode(ids.next_cursor)), from_cache

        return await self._load_composed(key, compose, share)

    async def load_reply(
        self, key: Hashable, read: Callable[[], Awaitable[bytes]], *, share: tuple[str, Struct]
    ) -> Encoded[Any]:
        """Return another encoded reply about products, from a cache if it is fresh, as long as a page of a list.

        Args:
            key: identifies the reply in this process.
            read: reads the reply from the database.
            share: the kind of reply and the request that identify it in all copies.
        """

        async def compose(_load: _Load) -> tuple[bytes, bool]:
            return await read(), False

        return await self._load_composed(key, compose, share)

    async def _load_composed(
        self,
        key: Hashable,
        compose: Callable[[_Load], Awaitable[tuple[bytes, bool]]],
        share: tuple[str, Struct] | None,
    ) -> Encoded[Any]:
        """Return a reply, from a cache if it is fresh; `compose` also returns whether a part came from the cache."""
        asked = self._now()
        while True:
            cached = self._pages.get(key)
            if cached is not None:
                unchanged = cached.change_count == self._change_count
                as_of = max(cached.as_of, self._polled_at) if unchanged else cached.as_of
                if self._now() < as_of + MAX_AGE:
                    return Encoded(cached.body, as_of=as_of)
            page = await self._join_or_start(("page", key), partial(self._load_page, key, compose, share))
            # An earlier request may have started the load and found a shared page that expired before this one.
            if asked <= page.as_of + MAX_AGE:
                return Encoded(page.body, as_of=page.as_of)

    async def _load_page(
        self,
        key: Hashable,
        compose: Callable[[_Load], Awaitable[tuple[bytes, bool]]],
        share: tuple[str, Struct] | None,
        load: _Load,
    ) -> _Page:
        change_count = self._change_count

        async def compute() -> CachedValue:
            nonlocal change_count
            began, change_count = self._now(), self._change_count
            body, from_cache = await compose(load)
            return CachedValue(body, min(began, self._polled_at) if from_cache else began)

        if share is None:
            value = await compute()
        else:
            kind, request = share
            value = await self._shared.load(
                kind, encode(request), limit=MAX_AGE, compute=compute, not_before=self._own_change_at
            )
        page = _Page(value.as_of, None if value.shared else change_count, value.body)
        if not load.stale:
            self._insert_page(key, page)
        return page

    async def _load_items(
        self,
        load: _Load,
        ids: list[str],
        read: Callable[[list[str]], Awaitable[list[OwnedProduct]]],
        *,
        whole: bool,
    ) -> tuple[list[bytes], bool]:
        """Return the encoded items of a page, and whether some came from the cache; with `whole`, all are read."""
        loaded: dict[str, bytes] = {}
        # Repeat if the cache expired during a slow read.
        while missing := self._missing(ids, loaded, whole=whole):
            loaded |= dict.fromkeys(missing, b"")
            began = self._now()
            for product in [cached_product(owned, began) for owned in await read(missing)]:
                loaded[str(product.product_id)] = product.item
                self._insert(load, product)
        items = [loaded[key] if key in loaded else self._products[key].item for key in ids]
        return [item for item in items if item], len(loaded) < len(ids)

    def _missing(self, ids: list[str], loaded: Collection[str], *, whole: bool) -> list[str]:
        cached: Collection[str] = self._products if self._is_fresh() and not whole else ()
        return [key for key in ids if key not in cached and key not in loaded]

    def invalidate(self, product_ids: Iterable[UUID], shop_ids: Collection[UUID] = ()) -> None:
        """Remove changed products, and all products of changed shops."""
        changed = {*product_ids, *shop_ids}
        if not changed:
            return
        self._change_count += 1
        for product_id in changed:
            self._evict(str(product_id))
        if shop_ids:
            for cached in [cached for cached in self._products.values() if cached.shop_id in changed]:
                self._evict(str(cached.product_id))
        for load in self._loads:
            load.invalidated |= changed
        self._joinable.clear()

    def invalidate_pages(self) -> None:
        """Remove all list pages, so that a seller sees an own change in them at once."""
        self._own_change_at = self._now()
        self._clear_pages()

    def _clear_pages(self) -> None:
        self._pages.clear()
        self._page_bytes = 0
        for load in self._loads:
            load.stale = True
        self._joinable.clear()

    def apply_changes(self, polled_at: float, changes: Changes) -> None:
        """Invalidate the changes found by a poll that started at `polled_at`."""
        if changes.all:
            self._products.clear()
            self._bytes = 0
            self._clear_pages()
        else:
            self.invalidate(changes.product_ids, changes.shop_ids)
        self.snapshot = changes.snapshot
        self._polled_at = polled_at

    async def _join_or_start(self, key: Hashable, run: Callable[[_Load], Awaitable[Value]]) -> Value:
        load = self._joinable.get(key)
        if load is None or load.task is None or self._now() >= load.started + MAX_AGE:
            load = _Load(self._now())
            # A separate task: a cancelled request must not cancel the load of the others.
            load.task = asyncio.ensure_future(self._run(key, load, run))
            load.task.add_done_callback(_retrieve_error)
            self._loads.add(load)
            self._joinable[key] = load
        value: Value = await asyncio.shield(load.task)
        return value

    async def _run(self, key: Hashable, load: _Load, run: Callable[[_Load], Awaitable[Value]]) -> Value:
        try:
            return await run(load)
        finally:
            self._loads.discard(load)
            if self._joinable.get(key) is load:
                del self._joinable[key]

    def _insert(self, load: _Load, product: CachedProduct) -> None:
        if load.stale or {product.product_id, product.shop_id} & load.invalidated:
            return
        self._evict(str(product.product_id))
        self._products[str(product.product_id)] = self._products[product.slug] = product
        self._bytes += product.size
        while len(self._products) > 2 * self._max_products or self._bytes > self._max_bytes:
            self._evict(next(iter(self._products)))

    def _evict(self, key: str) -> None:
        cached = self._products.get(key)
        if cached is not None:
            del self._products[str(cached.product_id)], self._products[cached.slug]
            self._bytes -= cached.size

    def _insert_page(self, key: Hashable, page: _Page) -> None:
        self._evict_page(key)
        self._pages[key] = page
        self._page_bytes += len(page.body)
        while len(self._pages) > self._max_pages or self._page_bytes > self._max_bytes:
            self._evict_page(next(iter(self._pages)))

    def _evict_page(self, key: Hashable) -> None:
        cached = self._pages.pop(key, None)
        if cached is not None:
            self._page_bytes -= len(cached.body)


def _retrieve_error(task: asyncio.Task[Any]) -> None:
    """Mark a load's error as retrieved: without a waiting request, asyncio would log it."""
    if not task.cancelled():
        task.exception()
