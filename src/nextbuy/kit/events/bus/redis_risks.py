"""The properties of a Redis that may lose events, and the marker of the marketplace that owns a prefix."""

from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nextbuy.kit.events.bus.interface import Risk

_NEARLY_FULL: Final = 0.9
"""Share of `maxmemory` in use above which operators are warned while they have time to act."""

_EVICTION: Final = Risk(
    "redis-eviction",
    "Redis may evict events when its memory is full. Set its maxmemory-policy to noeviction.",
)
_PERSISTENCE: Final = Risk(
    "redis-persistence",
    "Redis stores events in memory only, so a restart loses them. Set its appendonly to yes.",
)
_CLUSTER: Final = Risk(
    "redis-cluster",
    "Redis runs in cluster mode, which refuses transactions over several topics. Use a Redis without cluster mode.",
)
_MEMORY: Final = Risk(
    "redis-memory", "Redis has nearly reached its maxmemory; events wait when it is full. Raise maxmemory.", "warning"
)
_DISK: Final = Risk(
    "redis-disk", "Redis fails to write its data to disk. Check the disk and the log of Redis.", "warning"
)
_UNKNOWN: Final = Risk(
    "redis-unknown", "Redis forbids CONFIG, so its persistence is unknown. Make sure that it is on.", "unknown"
)


async def redis_risks(client: Redis) -> list[Risk]:
    """Return the risks of a server."""
    info: dict[str, Any] = await client.info()
    maxmemory = int(info.get("maxmemory", 0))
    found = []
    if maxmemory and info.get("maxmemory_policy", "noeviction") != "noeviction":
        found.append(_EVICTION)
    if not info.get("aof_enabled"):
        found += await _snapshot_risks(client)
    if info.get("cluster_enabled"):
        found.append(_CLUSTER)
    if maxmemory and int(info.get("used_memory", 0)) > _NEARLY_FULL * maxmemory:
        found.append(_MEMORY)
    if "err" in {info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")}:
        found.append(_DISK)
    return found


async def _snapshot_risks(client: Redis) -> list[Risk]:
    """Return the risks of a server without an append-only file: it may still save snapshots."""
    try:
        save = (await client.config_get("save")).get("save")
    except ResponseError:  # a managed server does not allow or know the command
        return [_UNKNOWN]
    return [] if save else [_PERSISTENCE]


async def claim_prefix(client: Redis, prefix: str, fingerprint: str) -> list[Risk]:
    """Store the marker of a marketplace under its prefix; return a risk if the marker of another is there."""
    key = f"{prefix}marketplace"
    await client.set(key, fingerprint, nx=True)
    try:
        stored = await client.get(key)
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        stored = None
    if stored in {fingerprint, fingerprint.encode()}:
        return []
    problem = (
        f"Another marketplace, or one with another NEXTBUY_SECRET, uses the keys {prefix}… in Redis. Set "
        "NEXTBUY_REDIS_PREFIX to a prefix that no other marketplace has or, if you have changed the secret, delete the "
        f"key {key}."
    )
    return [Risk("redis-prefix", problem)]
