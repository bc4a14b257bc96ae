"""Probes of services and engines for `/health/ready`: "up", "degraded" (slower, but serving) or "down"."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import aiohttp
import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.wire import Handler

Probe = Callable[[], Awaitable[str]]

_PROBE_TIMEOUT: Final = 1.0
"""Seconds. Shorter than the intervals at which load balancers check."""


async def run_probes(probes: Mapping[str, Probe]) -> dict[str, str]:
    """Run all probes at once and return the states by name."""
    return dict(zip(probes, await asyncio.gather(*(probe() for probe in probes.values())), strict=True))


def local_probe(handler: Callable[[], Handler | None]) -> Probe:
    """Return a probe of a service in this process, which is up once it has a handler."""

    async def probe() -> str:
        return "down" if handler() is None else "up"

    return probe


def http_probe(session: aiohttp.ClientSession, url: str) -> Probe:
    """Return a probe of a service in another process."""
    timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT)

    async def probe() -> str:
        try:
            async with session.get(f"{url}/health/live", timeout=timeout) as response:
                return "up" if response.status == 200 else "down"  # noqa: PLR2004
        except (aiohttp.ClientError, OSError, TimeoutError):
            return "down"

    return probe


def redis_probe(redis: Redis) -> Probe:
    """Return a probe of Redis, without which everything is slower but correct."""

    async def probe() -> str:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await redis.ping()
        except (RedisError, OSError, TimeoutError):
            return "degraded"
        return "up"

    return probe


def kafka_probe(bus: KafkaBus) -> Probe:
    """Return a probe of Apache Kafka, without which events wait in the outboxes."""

    async def probe() -> str:
        try:
            await bus.ping(_PROBE_TIMEOUT)
        except BusUnavailable:
            return "degraded"
        return "up"

    return probe


class PostgresProbe:
    """A probe of PostgreSQL; it keeps one connection open between checks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def __call__(self) -> str:
        """Return the state of PostgreSQL."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._url)
                await self._connection.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return "down"
        return "up"

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close(timeout=1)
