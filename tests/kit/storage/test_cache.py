"""The shared cache: one load computes for all copies, nothing is older than its limit, and Redis is never needed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.status import CacheCounts
from nextbuy.kit.rpc.breaker import Breaker, BreakerPolicy
from nextbuy.kit.storage import cache_server
from nextbuy.kit.storage.cache import MAX_BYTES, MAX_WAIT, CachedValue, SharedCache
from nextbuy.kit.storage.cache_server import CacheServer, cache_client
from tests.kit.conftest import OwnRedis
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("patient_cache")
LIMIT = 30.0
TIMEOUT = 0.02
POLICY = BreakerPolicy(consecutive_failures=3, reset_after=0.1, probes=1, successes_to_close=1)


class Source:
    """The data that a copy reads: a body that a test may change, behind a gate, with a count of reads."""

    def __init__(self) -> None:
        self.body = b"old"
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def read(self) -> CachedValue:
        began, body = time.monotonic(), self.body
        self.reads += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return CachedValue(body, began)


class Copy:
    """The shared cache in one copy of a service."""

    def __init__(self, redis: Redis) -> None:
        self.server = CacheServer(redis, Breaker(time.monotonic, POLICY))
        self.cache = SharedCache(self.server, "shop:", b"secret")
        self.source = Source()

    @property
    def errors(self) -> int:
        """The loads without Redis."""
        return self.cache.counts.errors if self.cache.counts else 0

    async def load(self, *, limit: float = LIMIT, not_before: float = 0.0) -> CachedValue:
        return await self.cache.load("page", b"key", limit=limit, compute=self.source.read, not_before=not_before)

    async def body(self, **options: float) -> bytes:
        return (await self.load(**options)).body


@pytest.fixture
def one(redis: Redis) -> Copy:
    """A copy."""
    return Copy(redis)


@pytest.fixture
def other(redis: Redis) -> Copy:
    """Another copy on the same Redis."""
    return Copy(redis)


@pytest.fixture
async def on_own_redis(own_redis: OwnRedis) -> AsyncIterator[Copy]:
    """A copy on a Redis that the test may kill or freeze."""
    copy = Copy(cache_client(own_redis.url))

    async def is_shared() -> bool:
        return (await copy.load()).shared

    await until(is_shared)
    yield copy
    await copy.server.close()


async def locked(redis: Redis) -> bool:
    """Return whether a load holds the lock."""
    return bool([key async for key in redis.scan_iter("shop:*:lock")])


async def entry(redis: Redis) -> str:
    """Return the key of the only value."""
    (key,) = [str(key, "ascii") async for key in redis.scan_iter("shop:*") if not key.endswith(b":lock")]
    return key


async def test_value_that_one_copy_computed_is_served_by_all(one: Copy, other: Copy) -> None:
    before = time.monotonic()
    computed = await one.load()
    shared = await other.load()

    assert (computed.body, computed.shared) == (b"old", False)
    assert (shared.body, shared.shared) == (b"old", True)
    assert before - 0.1 <= shared.as_of <= time.monotonic()
    assert (one.source.reads, other.source.reads) == (1, 0)
    assert (one.cache.counts, other.cache.counts) == (CacheCounts(0, 1, 0), CacheCounts(1, 0, 0))


async def test_copies_that_miss_at_once_compute_once(one: Copy, other: Copy, redis: Redis) -> None:
    third = Copy(redis)
    for copy in (one, other, third):
        copy.source.gate.clear()
    loads = [asyncio.create_task(copy.load()) for copy in (one, other, third)]
    await until(lambda: bool(one.source.reads or other.source.reads or third.source.reads))
    for copy in (one, other, third):
        copy.source.gate.set()

    assert {value.body for value in await asyncio.gather(*loads)} == {b"old"}
    assert one.source.reads + other.source.reads + third.source.reads == 1


async def test_load_waits_for_a_stopped_copy_for_a_short_time_only(one: Copy, other: Copy) -> None:
    one.source.gate.clear()
    stopped = asyncio.create_task(one.load())
    await until(lambda: one.source.reads == 1)
    began = time.monotonic()

    assert not (await other.load()).shared

    assert MAX_WAIT <= time.monotonic() - began < 10 * MAX_WAIT
    one.source.gate.set()
    await stopped


async def test_slow_copy_does_not_replace_a_newer_value(one: Copy, other: Copy) -> None:
    one.source.gate.clear()
    slow = asyncio.create_task(one.load())
    await until(lambda: one.source.reads == 1)
    other.source.body = b"new"
    await other.load()
    one.source.gate.set()

    assert (await slow).body == b"old"
    assert await one.body() == b"new"


async def test_copy_that_takes_longer_than_the_limit_stores_nothing(one: Copy, other: Copy, redis: Redis) -> None:
    one.source.gate.clear()
    late = asyncio.create_task(one.load(limit=0.05))
    await until(lambda: one.source.reads == 1)
    await asyncio.sleep(0.06)  # the duration is under test
    one.source.gate.set()

    assert (await late).body == b"old"
    assert [key async for key in redis.scan_iter("shop:*")] == []
    assert not (await other.load()).shared


async def test_value_expires_after_its_limit(one: Copy, other: Copy) -> None:
    await one.load(limit=0.05)
    await asyncio.sleep(0.06)  # the duration is under test

    assert not (await other.load(limit=0.05)).shared


async def test_age_of_cached_parts_shortens_the_life_of_a_value(one: Copy, other: Copy, redis: Redis) -> None:
    async def read() -> CachedValue:
        return CachedValue(b"body", time.monotonic() - 10)

    await one.cache.load("page", b"key", limit=LIMIT, compute=read)

    assert 0 < await redis.pttl(await entry(redis)) <= 20_000
    assert (await other.load()).as_of <= time.monotonic() - 10


async def test_value_from_before_an_own_change_is_a_miss(one: Copy, other: Copy) -> None:
    await one.load()
    other.source.body = b"new"
    changed_at = time.monotonic()
    # The time that a request takes counts against the value, so a value read at once after the change is refused too.
    await until(lambda: time.monotonic() > changed_at + 0.1)

    assert await other.body(not_before=changed_at) == b"new"
    assert await one.body(not_before=changed_at) == b"new"
    assert one.source.reads == 1


async def test_value_that_would_live_longer_than_its_limit_is_a_miss(one: Copy, redis: Redis) -> None:
    await one.load()
    # As after the clock of Redis was set back.
    await redis.pexpire(await entry(redis), int((LIMIT + 1) * 1000))
    one.source.body = b"new"

    assert await one.body() == b"new"
    assert await one.body() == b"new"
    assert one.source.reads == 2


async def test_error_is_not_kept_and_frees_the_lock(one: Copy, other: Copy, redis: Redis) -> None:
    one.source.error = NotFound("missing")

    with pytest.raises(NotFound):
        await one.load()

    assert not await locked(redis)
    one.source.error = None
    assert not (await other.load()).shared


async def test_lock_of_another_copy_is_not_freed(one: Copy, other: Copy, redis: Redis) -> None:
    one.source.gate.clear()
    slow = asyncio.create_task(one.load())
    await until(lambda: one.source.reads == 1)
    other.source.error = NotFound("missing")

    with pytest.raises(NotFound):
        await other.load()

    assert await locked(redis)
    one.source.gate.set()
    await slow
    assert not await locked(redis)


async def test_forged_or_moved_value_is_never_served(one: Copy, other: Copy, redis: Redis) -> None:
    await one.load()
    key = await entry(redis)
    genuine = await redis.get(key)
    assert isinstance(genuine, bytes)
    stranger = SharedCache(one.server, "shop:", b"another secret")

    for forged in (b"", b"forged", bytes(16) + b"forged", genuine[:-1] + b"?"):
        await redis.set(key, forged, px=10_000)
        assert (await other.load()).body == b"old"
    await redis.set(key, genuine, px=10_000)
    assert (await other.load()).shared
    assert not (await stranger.load("page", b"key", limit=LIMIT, compute=other.source.read)).shared
    await redis.set(key.replace("page", "search"), genuine, px=10_000)
    assert not (await other.cache.load("search", b"key", limit=LIMIT, compute=other.source.read)).shared
    assert other.source.reads == 6


async def test_keys_of_another_type_and_locks_without_expiry_are_replaced(one: Copy, other: Copy, redis: Redis) -> None:
    await one.load()
    key = await entry(redis)

    for lock_type in ("list", "string"):
        await redis.delete(key)
        await redis.rpush(key, "not a value")
        await (redis.rpush if lock_type == "list" else redis.set)(f"{key}:lock", "without expiry")
        assert not (await one.load()).shared
        assert (await other.load()).shared
    assert one.errors == other.errors == 0


async def test_large_value_is_not_stored(one: Copy, other: Copy) -> None:
    one.source.body = b"x" * (MAX_BYTES + 1)

    await one.load()

    assert not (await other.load()).shared


async def test_without_redis_each_load_computes() -> None:
    cache, source = SharedCache(None, ""), Source()

    for _ in range(2):
        assert not (await cache.load("page", b"key", limit=LIMIT, compute=source.read)).shared

    assert source.reads == 2
    assert cache.counts is None


async def test_killed_redis_fails_no_load_and_is_used_again(on_own_redis: Copy, own_redis: OwnRedis) -> None:
    before = on_own_redis.errors
    own_redis.kill()

    assert {await on_own_redis.body() for _ in range(20)} == {b"old"}
    assert on_own_redis.errors == before + 20

    own_redis.restart()

    async def is_shared() -> bool:
        return (await on_own_redis.load()).shared

    await until(is_shared)


async def test_frozen_redis_delays_few_loads_by_its_timeout(
    on_own_redis: Copy, own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_server, "_SLICE", TIMEOUT / 4)
    own_redis.freeze()
    began = time.monotonic()

    assert {await on_own_redis.body() for _ in range(1_000)} == {b"old"}

    assert time.monotonic() - began < 1.0
    own_redis.thaw()

    async def is_shared() -> bool:
        return (await on_own_redis.load()).shared

    await until(is_shared)


async def test_full_redis_fails_no_load(on_own_redis: Copy) -> None:
    await on_own_redis.server.client.flushall()
    await on_own_redis.server.client.config_set("maxmemory", 1)
    before = on_own_redis.errors

    assert {await on_own_redis.body() for _ in range(20)} == {b"old"}
    assert on_own_redis.errors == before + 20


async def test_delay_of_the_loop_is_not_charged_to_redis(one: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    await one.load()
    run: Callable[..., Awaitable[object]] = cache_server._run_bounded

    async def run_in_a_busy_loop(*arguments: object) -> object:
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        return await run(*arguments)

    monkeypatch.setattr(cache_server, "_run_bounded", run_in_a_busy_loop)
    monkeypatch.setattr(cache_server, "_SLICE", TIMEOUT / 4)

    assert (await one.load()).shared
