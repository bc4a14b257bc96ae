"""Probes of services and engines for `/health/ready`: "up", "degraded" (slower, but serving) or "down"."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import aiohttp
import asyncpg
from redis.exceptions import RedisError

from nextbuy.kit.events.bus.interface import BusUnavailable

PROBE_TIMEOUT: Final = 1.0
"""Seconds. Shorter than the intervals at which load balancers check."""
_FAILURES: Final = (
    aiohttp.ClientError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    BusUnavailable,
    RedisError,
    OSError,
    TimeoutError,
)

Check = Callable[[], Awaitable[object]]
"""A check fails by returning False or by raising an error of its engine."""
Probe = Callable[[], Awaitable[str]]


async def run_probes(probes: Mapping[str, Probe]) -> dict[str, str]:
    """Run all probes at once and return the states by name."""
    return dict(zip(probes, await asyncio.gather(*(probe() for probe in probes.values())), strict=True))


def probe(check: Check, *, failed: str = "down") -> Probe:
    """Return a probe whose state is `failed` if the check fails or takes too long."""
    return partial(_state, check, failed)


async def _state(check: Check, failed: str) -> str:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            return failed if await check() is False else "up"
    except _FAILURES:
        return failed


async def is_live(session: aiohttp.ClientSession, url: str) -> bool:
    """Return whether a service in another process is live."""
    async with session.get(f"{url}/health/live") as response:
        return response.status == 200  # noqa: PLR2004


class PostgresCheck:
    """A check of PostgreSQL that keeps its connection open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._lock = asyncio.Lock()
        self.version = ""
        """The version of the server, once it has answered."""

    async def __call__(self) -> bool:
        """Send a query, and return true or raise an error of the driver."""
        async with self._lock:  # readiness and status may check at the same time
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url)
                server = self._connection.get_server_version()
                self.version = f"{server.major}.{server.minor}"
            return bool(await self._connection.fetchval("SELECT 1"))

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close(timeout=1)
