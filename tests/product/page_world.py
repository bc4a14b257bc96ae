"""Copies of product in front of one Redis, driven step by step in a time that tests advance.

The scripts and the Redis are the real ones. Only time is virtual: it is the real time plus an offset, which the scripts
get as one more argument. To advance it, the lives of all keys are shortened.
"""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from nextbuy.contracts.product import Moderation, Product
from nextbuy.contracts.values import Price, new_id
from nextbuy.kit.rpc.breaker import Breaker, BreakerPolicy
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.cache_server import CacheServer
from nextbuy.kit.storage.changes import Snapshot
from nextbuy.product.product_cache import MAX_AGE, ProductCache
from nextbuy.product.store.changes import Changes
from nextbuy.product.store.lists import PageIds
from nextbuy.product.store.products import OwnedProduct

Reply = TypeVar("Reply")
PROMISE: Final = MAX_AGE + 0.05
"""Seconds. No reply lacks a change that was committed longer before its request; less than what is promised."""
_ROUNDING: Final = 0.02
"""Seconds by which copying keys shortens their lives, so that it never lengthens one."""
_PRELUDE: Final = """
local offset = tonumber(ARGV[5])
local function virtual_time()
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000) + offset
  return {math.floor(now / 1000), now % 1000 * 1000}
end
"""
_SHORTEN_LIVES: Final = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  redis.call('PEXPIRE', key, math.max(0, redis.call('PTTL', key) - ARGV[1] - 2))
end
"""
_NEVER_OPENS: Final = BreakerPolicy(min_calls=1_000_000, consecutive_failures=1_000_000)


class Stored(msgspec.Struct):
    """The page as replies have it: both of its reads give the number of commits that they saw."""

    items: list[dict[str, Any]]
    next_cursor: str

    @property
    def version(self) -> int:
        """The oldest part of the page."""
        return min(int(self.next_cursor), int(self.items[0]["stock"]))


class SteppedServer(CacheServer):
    """The server as one copy sees it: the copy may be stopped before and after each command."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.redis, Breaker(time.monotonic, _NEVER_OPENS))
        self._world = world

    def script(self, text: str) -> AsyncScript:
        assert text.count("redis.call('TIME')") == 1
        text = text.replace("redis.call('TIME')", "virtual_time()")
        return super().script(
            _PRELUDE + text.replace("'PXAT', ARGV[2]", "'PXAT', string.format('%.0f', ARGV[2] - offset)")
        )

    async def run(self, script: AsyncScript, keys: list[str], arguments: list[Any]) -> Any:  # noqa: ANN401
        await self._world.step()
        if self._world.frozen:
            # The copy gives up waiting; Redis runs the command once it continues.
            self._world.late.append((super().run, script, keys, arguments))
            return None
        if self._world.killed:
            return None
        reply = await self._world.command(super().run(script, keys, [*arguments, self._world.offset_ms]))
        await self._world.step()
        return reply


class Copy:
    """One copy of product: its own clock, its caches, and its feed of changes."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.ahead = 1_000.0 * number
        """Seconds that its monotonic clock is ahead of the others."""
        self.own_version = 0
        self.jumps = 0
        shared = SharedCache(SteppedServer(world), "shop:", now=self.now)
        self.cache = ProductCache(shared, self.now)
        self._seen = 0
        self._poll: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self.world.now() + self.ahead

    def request(self, *, share: bool = True) -> "asyncio.Task[None]":
        """Begin a request for the page; its reply is checked when it comes."""
        self.world.requests += 1
        return self.world.start(asyncio.create_task(self._request(share=share)))

    async def _request(self, *, share: bool) -> None:
        world = self.world
        asked, own_version, jumps = world.now(), self.own_version, self.jumps
        key = "list" if share else "own"
        page = await self.cache.load_page(
            key, self._page_ids, self._read, share=("list", PageIds([], None)) if share else None
        )
        version = msgspec.json.decode(page.body, type=Stored).version
        needed = sum(at <= asked - PROMISE for at in world.commits)
        world.replies += 1
        assert version >= needed, f"lacks commit {version + 1}, {asked - world.commits[version]:.3f} s old"
        if share:
            assert version >= own_version or jumps != self.jumps, "lacks an own change"

    async def _page_ids(self) -> PageIds:
        await self.world.step()
        version = len(self.world.commits)
        await self.world.step()
        return PageIds([str(self.world.product.id)], str(version))

    async def _read(self, _ids: list[str]) -> list[OwnedProduct]:
        await self.world.step()
        version = len(self.world.commits)
        await self.world.step()
        return [OwnedProduct(msgspec.structs.replace(self.world.product, stock=version), self.world.product.shop_id)]

    def poll(self) -> "asyncio.Task[None]":
        """Begin a poll of the changes, unless one runs, and return it."""
        if self._poll is None or self._poll.done():
            self._poll = self.world.start(asyncio.create_task(self._poll_changes()))
        return self._poll

    async def _poll_changes(self) -> None:
        polled_at = self.now()
        await self.world.step()
        seen = len(self.world.commits)
        await self.world.step()
        changed = {self.world.product.id} if seen > self._seen else set()
        self._seen = seen
        self.cache.apply_changes(polled_at, Changes(Snapshot("", datetime.now(UTC)), changed, set(), all=False))

    def change(self) -> None:
        """Commit a change as the seller's own copy does."""
        self.world.commit()
        self.own_version = len(self.world.commits)
        self.cache.invalidate([self.world.product.id])
        self.cache.invalidate_pages()

    def clock_jumps(self) -> None:
        """Advance the monotonic clock as after a suspension; own changes from before then may be missing."""
        self.ahead += 60.0
        self.jumps += 1
        self.own_version = 0


class World:
    """Three copies, the changes that were committed, and what waits to continue."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.offset_ms = 0
        self.commits: list[float] = []
        self.frozen = self.killed = False
        self.late: list[tuple[Any, AsyncScript, list[str], list[Any]]] = []
        self.requests = self.replies = 0
        self.product = _product()
        self.copies = [Copy(self, number) for number in range(3)]
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self._replica: dict[bytes, tuple[bytes, float]] = {}

    def now(self) -> float:
        """Return the virtual time."""
        return time.monotonic() + self.offset_ms / 1000

    def commit(self) -> None:
        """Commit a change."""
        self.commits.append(self.now())

    async def step(self) -> None:
        """Wait until the test lets this task continue."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    async def command(self, running: Awaitable[Reply]) -> Reply:
        """Await a command of Redis."""
        self._in_flight += 1
        try:
            return await running
        finally:
            self._in_flight -= 1

    def start(self, task: "asyncio.Task[None]") -> "asyncio.Task[None]":
        """Check a task at the end."""
        self._tasks.append(task)
        return task

    async def resume(self, choice: int) -> None:
        """Let one of the stopped tasks take its next step."""
        if self._waiting:
            self._waiting.pop(choice % len(self._waiting)).set_result(None)
        await self.settle()

    async def take_steps(self, number: int) -> None:
        """Let the task that stopped last take some steps."""
        await self.settle()
        for _ in range(number):
            await self.resume(-1)

    async def run(self, task: "asyncio.Task[None]") -> None:
        """Let tasks take steps, the last one that stopped first, until `task` is done."""
        await self.settle()
        while not task.done():
            await self.resume(-1)

    async def settle(self) -> None:
        """Wait until each task waits for a step."""
        for _ in range(5):
            await asyncio.sleep(0)
        while self._in_flight:
            await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)

    async def finish(self) -> None:
        """Let all tasks finish, and raise the first error."""
        await self.thaw()
        await self.settle()
        while not all(task.done() for task in self._tasks):
            await self.resume(0)
        for task in self._tasks:
            task.result()

    async def advance(self, seconds: float) -> None:
        """Let time pass for Redis and all copies."""
        self.offset_ms += int(seconds * 1000)
        await self.redis.eval(_SHORTEN_LIVES, 0, int(seconds * 1000))

    async def thaw(self) -> None:
        """Answer again."""
        self.frozen = self.killed = False
        late, self.late = self.late, []
        for run, script, keys, arguments in late:
            await run(script, keys, [*arguments, self.offset_ms])

    async def replicate(self) -> None:
        """Copy all keys to a replica, which falls behind from now on."""
        self._replica, began = {}, self.now()
        for key in await self.redis.keys("*"):
            assert isinstance(key, bytes)
            value, rest = await self.redis.dump(key), await self.redis.pttl(key)
            if value is not None and rest > 0:
                self._replica[key] = (value, began + rest / 1000 - _ROUNDING)

    async def promote(self) -> None:
        """Replace all keys by the keys of the replica."""
        await self.redis.flushdb()
        for key, (value, expires) in self._replica.items():
            if (rest := int((expires - self.now()) * 1000)) > 0:
                await self.redis.restore(key, rest, value)


def _product() -> Product:
    return Product(
        id=new_id(),
        etag='"1.7"',
        slug="mug",
        title="Mug",
        description="",
        category="Kitchen",
        price=Price(1),
        stock=0,
        tags=[],
        status="active",
        shop_id=new_id(),
        picture="",
        moderation=Moderation(0, "active", []),
        created_at=datetime.now(UTC),
    )
