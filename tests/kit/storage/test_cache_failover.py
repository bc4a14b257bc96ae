"""The shared cache when a replica of its Redis that fell behind is promoted: nothing is older than its limit."""

import asyncio
import shutil
import tempfile
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from redis.asyncio import Redis

from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.storage.cache import CachedValue, SharedCache
from nextbuy.kit.storage.cache_server import CacheServer
from tests.kit.conftest import OwnRedis
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("patient_cache")
LIMIT = 1.5


class Source:
    """A body that a test may change."""

    def __init__(self) -> None:
        self.body = b"old"

    async def read(self) -> CachedValue:
        return CachedValue(self.body, time.monotonic())


@pytest.fixture
def replica() -> Iterator[OwnRedis]:
    """The Redis that replicates `own_redis`."""
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    engine = OwnRedis(folder / "data")
    yield engine
    engine.stop()
    shutil.rmtree(folder)


@asynccontextmanager
async def replication(primary: OwnRedis, replica: Redis) -> AsyncIterator[None]:
    """Replicate until the context ends, over TCP: Redis does not replicate over Unix sockets."""
    path = unquote(urlsplit(primary.url).path)
    writers: list[StreamWriter] = []

    async def copy(source: StreamReader, target: StreamWriter) -> None:
        while part := await source.read(65_536):
            target.write(part)
            await target.drain()

    async def connect(reader: StreamReader, writer: StreamWriter) -> None:
        primary_reader, primary_writer = await asyncio.open_unix_connection(path)
        writers.extend((writer, primary_writer))
        await asyncio.gather(copy(reader, primary_writer), copy(primary_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        await replica.replicaof(host, port)
        yield
        for writer in writers:
            writer.close()


async def is_in_sync(primary: Redis, replica: Redis) -> bool:
    """Return whether the replica has all keys of the primary."""
    return (await replica.info("replication"))["master_link_status"] == "up" and await primary.wait(1, 10) == 1


def cache_on(client: Redis) -> SharedCache:
    return SharedCache(CacheServer(client, Breaker(time.monotonic)), "shop:")


async def test_promoted_replica_serves_nothing_older_than_the_limit(own_redis: OwnRedis, replica: OwnRedis) -> None:
    source = Source()
    async with Redis.from_url(own_redis.url) as first, Redis.from_url(replica.url) as second:
        await first.config_set("repl-diskless-sync-delay", 0)

        async def load(cache: SharedCache) -> CachedValue:
            return await cache.load("page", b"key", limit=LIMIT, compute=source.read)

        # The replica gets a value shortly before the value changes, and falls behind.
        async with replication(own_redis, second):
            await until(lambda: is_in_sync(first, second))
            await load(cache_on(first))
            await until(lambda: is_in_sync(first, second))
        source.body, changed_at = b"new", time.monotonic()
        own_redis.kill()
        await second.replicaof("NO", "ONE")
        promoted = cache_on(second)
        served = await load(promoted)

        assert (served.body, served.shared) == (b"old", True)
        assert served.as_of <= changed_at

        asked_at = changed_at
        while served.body == b"old":
            assert asked_at <= changed_at + LIMIT
            await asyncio.sleep(0.005)
            asked_at = time.monotonic()
            served = await load(promoted)
