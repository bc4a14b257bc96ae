"""The data of `GET /health/status`: the status of every service, by a call, and the version of every engine."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.contracts.errors import AppError
from nextbuy.contracts.status import ServiceStatus, StatusClient
from nextbuy.gateway.status import Collected
from nextbuy.host.bus_watch import BusWatch
from nextbuy.host.health import PROBE_TIMEOUT, PostgresCheck
from nextbuy.host.process import Process
from nextbuy.host.shared_cache import CacheInfo, cache_info
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.observability.telemetry import start_span, use_span
from nextbuy.kit.storage.migrations import RELEASE

_CALL_TIMEOUT: Final = 1.0
"""Seconds per call; all services are called at once."""


def status_collector(
    process: Process, services: list[str], postgres: PostgresCheck, watch: BusWatch
) -> Callable[[], Awaitable[Collected]]:
    """Return a function that collects the status of the services and engines, within `_CALL_TIMEOUT`."""
    client = StatusClient(process.status_calls().send)

    async def status_of(service: str) -> ServiceStatus | AppError:
        set_deadline(_CALL_TIMEOUT)
        try:
            return await client.get_status(service)
        except AppError as error:
            return error

    async def collect() -> Collected:
        with use_span(start_span()):
            tasks = [asyncio.create_task(status_of(name)) for name in services]
            engines, cache = await asyncio.gather(_engine_versions(process.redis, postgres), _cache(process))
            statuses = await asyncio.gather(*tasks)
        return Collected(
            version=RELEASE,
            carrier=process.bus.carrier,
            services=dict(zip(services, statuses, strict=True)),
            engines=engines | cache.version,
            cache_memory=cache.memory,
            risks={risk.name: risk.problem for risk in watch.risks},
        )

    return collect


async def _cache(process: Process) -> CacheInfo:
    return CacheInfo({}, None) if process.cache is None else await cache_info(process.cache)


async def _engine_versions(redis: Redis, postgres: PostgresCheck) -> dict[str, str]:
    if not postgres.version:
        with suppress(asyncpg.PostgresError, OSError, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT):
                await postgres()
    versions = {"postgres": postgres.version}
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            versions["redis"] = (await redis.info("server"))["redis_version"]
    except (RedisError, OSError, TimeoutError):
        versions["redis"] = ""
    return versions
