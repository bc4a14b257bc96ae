"""The Redis of the shared cache: its check at the start, and its size for the status page."""

import asyncio
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.gateway.status import CACHE, Memory
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.storage.cache_server import CacheServer, cache_client

_TIMEOUT: Final = 1.0
"""Seconds per reading. The start continues without the cache."""
_MIN_VERSION: Final = (6, 2)
"""The first version with `SET … PXAT`."""


async def require_cache(settings: Settings) -> list[str]:
    """Check the Redis of the shared cache, and return warnings for the operator.

    Raises:
        ConfigError: its URL is invalid, it is too old, or it is the Redis of the events, which must not evict.
    """
    if not settings.cache_url:
        return ["The shared cache is off. Set NEXTBUY_CACHE_URL to a second Redis, so that copies share lists."]
    try:
        cache = await _server(settings.cache_url)
    except ValueError:  # the error may quote the password
        message = "NEXTBUY_CACHE_URL is invalid. Use redis://:PASSWORD@HOST:PORT/DB, special characters as %XX."
        raise ConfigError(message) from None
    if cache is None:
        return ["The Redis of the shared cache does not answer; lists are read without it. Check NEXTBUY_CACHE_URL."]
    version = str(cache["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < _MIN_VERSION:
        message = f"Redis {version} is too old for the shared cache. Set NEXTBUY_CACHE_URL to Redis 6.2 or newer."
        raise ConfigError(message)
    events = await _server(settings.redis_url)
    if events is not None and events["run_id"] == cache["run_id"]:
        message = (
            "NEXTBUY_CACHE_URL and NEXTBUY_REDIS_URL name the same server, which may evict events. "
            "Set NEXTBUY_CACHE_URL to another Redis, or unset it."
        )
        raise ConfigError(message)
    return []


class CacheInfo(Struct, frozen=True):
    """The version of the cache, under its name, and its memory; "" and None if it does not answer."""

    version: dict[str, str]
    memory: Memory | None


async def cache_info(server: CacheServer) -> CacheInfo:
    """Return the version and the memory of the Redis of the shared cache."""
    info = await _info(server.client)
    if info is None:
        return CacheInfo({CACHE: ""}, None)
    return CacheInfo(
        {CACHE: str(info["redis_version"])}, Memory(int(info["used_memory"]), int(info.get("maxmemory", 0)))
    )


async def _server(url: str) -> dict[str, Any] | None:
    """Return the properties of a server, or None if it does not answer."""
    async with cache_client(url) as client:
        return await _info(client)


async def _info(client: Redis) -> dict[str, Any] | None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            info: dict[str, Any] = await client.info()
            return info
    except (RedisError, OSError, TimeoutError):
        return None
