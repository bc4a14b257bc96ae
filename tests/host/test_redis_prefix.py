"""Every key of a marketplace in Redis begins with its prefix, so that two can share one server."""

import ast
import re
import time
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from nextbuy.gateway.limiter import Limiter
from nextbuy.host.bus_watch import BusWatch
from nextbuy.host.composition import make_bus, published_topics
from nextbuy.kit.config import Settings
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.rpc.breaker import Breaker
from nextbuy.kit.storage.cache import CachedValue, SharedCache
from nextbuy.kit.storage.cache_server import CacheServer
from tests.kit.events.bus.test_conformance import messages, reading
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("patient_cache")
SOURCES: Final = Path(__file__).resolve().parents[2] / "src" / "nextbuy"
NORTH: Final = Settings(secret=b"the secret of the north", redis_prefix="north:")


MARKETPLACE: Final = NORTH.derive("cache-prefix")[:12]


async def page() -> CachedValue:
    return CachedValue(b"page", time.monotonic())


async def no_keys() -> dict[str, str]:
    return {}


async def test_every_key_begins_with_the_prefix(redis: Redis) -> None:
    bus = make_bus(NORTH, redis)
    await Limiter(redis, TokenVerifier(no_keys), prefix=NORTH.redis_prefix).admit(
        "GET", "/product/api/get-all-products", {}, "10.1.2.3"
    )
    await BusWatch(NORTH, redis, bus, published_topics()).require_safe()
    server = CacheServer(redis, Breaker(time.monotonic))
    await SharedCache(server, NORTH.cache_prefix("1.0.0", "product")).load("page", b"key", limit=9.0, compute=page)

    async with reading(bus, "g", "t") as reader:
        await bus.publish(messages("t", range(3)))
        await until(lambda: len(reader.got) == 3)

        async def kinds() -> set[str]:
            keys = [str(key, "ascii") for key in await redis.keys("*") if isinstance(key, bytes)]
            assert [key for key in keys if not key.startswith("north:")] == []
            return {key.split(":")[1] for key in keys}

        async def all_are_there() -> bool:
            return await kinds() == {"rate", "marketplace", "stream", "lease", MARKETPLACE}

        await until(all_are_there)
    await bus.close()


async def test_marketplaces_on_one_redis_do_not_read_each_others_events(redis: Redis) -> None:
    north, south = make_bus(NORTH, redis), make_bus(replace(NORTH, redis_prefix="south:"), redis)
    async with reading(north, "g", "t") as northern, reading(south, "g", "t") as southern:
        await north.publish(messages("t", range(3)))
        await south.publish(messages("t", range(3, 5)))
        await until(lambda: (len(northern.got), len(southern.got)) == (3, 2))
    await north.close()
    await south.close()

    assert (northern.of("t"), southern.of("t")) == ([0, 1, 2], [3, 4])


def test_cache_keys_name_marketplace_release_and_service() -> None:
    settings, other = Settings(secret=b"one secret"), Settings(secret=b"another secret")

    assert re.fullmatch(r"nextbuy:[0-9a-f]{12}:cache:1\.0\.0:product:", settings.cache_prefix("1.0.0", "product"))
    assert settings.cache_prefix("1.0.0", "product") != other.cache_prefix("1.0.0", "product")


def test_prefix_is_written_in_the_settings_only() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{node.lineno}"
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"nextbuy:(\S|$)", node.value)
    ]
    assert [place.partition(":")[0] for place in found] == ["kit/config.py"], found
