"""The gateway of a process: where it leads, what it knows of the health of everything, and the pages behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from socket import socket
from typing import Final

import aiohttp
import asyncpg
from redis.exceptions import RedisError

import nextbuy
from nextbuy.gateway.app import Gateway
from nextbuy.gateway.targets import Here, Target, There
from nextbuy.host.api_index import events_document
from nextbuy.host.process import Process
from nextbuy.host.table import BEHIND, ENTRIES
from nextbuy.kit.apidocs.openapi import openapi
from nextbuy.kit.apidocs.problems import problems
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import BusUnavailable
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.http.server import serving
from nextbuy.web.app import pages

_PACKAGE: Final = Path(nextbuy.__file__).parent
_PROBE_SECONDS: Final = 1.0


@contextlib.asynccontextmanager
async def serving_gateway(settings: Settings, process: Process, door: socket, *, demo: bool) -> AsyncIterator[None]:
    """Serve the gateway on a listening socket for as long as the context lasts."""
    targets: dict[str, Target] = {name: _target(settings, process, name) for name in BEHIND}
    services = [entry.service for entry in ENTRIES.values()]
    version = metadata.version("nextbuy")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PROBE_SECONDS)) as session:
        health = _Health(settings, process, session)
        gateway = Gateway(
            targets,
            settings=settings,
            journal=process.journal,
            redis=process.redis,
            verifier=process.verifier,
            ready=health.check,
            documents={
                "/openapi.json": lambda: openapi(services, version=version, problems=problems(_PACKAGE)),
                "/asyncapi.json": events_document,
            },
            fallback=pages(demo=demo),
        )
        try:
            async with serving(gateway, door):
                yield
        finally:
            await gateway.close()
            await health.close()


def _target(settings: Settings, process: Process, name: str) -> Target:
    if name in process.names:
        return Here(name, lambda: process.handler(name))
    return There(name, settings.service_urls[name])


class _Health:
    """Asks everything at once how it is."""

    def __init__(self, settings: Settings, process: Process, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._process = process
        self._session = session
        self._postgres: asyncpg.Connection[asyncpg.Record] | None = None

    async def check(self) -> dict[str, str]:
        """Return the state of each service and engine."""
        probes = {name: self._service(name) for name in BEHIND}
        probes |= {"postgres": self._ask_postgres(), "redis": self._ask_redis()}
        if self._process.kafka is not None:
            probes["apache-kafka"] = self._ask_kafka(self._process.kafka)
        return dict(zip(probes, await asyncio.gather(*probes.values()), strict=True))

    async def _service(self, name: str) -> str:
        if name in self._process.names:
            return "up" if self._process.handler(name) is not None else "down"
        try:
            async with self._session.get(f"{self._settings.service_urls[name]}/health/live") as answer:
                return "up" if answer.status == 200 else "down"  # noqa: PLR2004
        except (aiohttp.ClientError, OSError, TimeoutError):
            return "down"

    async def _ask_postgres(self) -> str:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                if self._postgres is None or self._postgres.is_closed():
                    self._postgres = await asyncpg.connect(self._settings.postgres_url)
                await self._postgres.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            return "down"
        return "up"

    async def _ask_redis(self) -> str:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._process.redis.ping()
        except (RedisError, OSError, TimeoutError):
            return "degraded"
        return "up"

    async def _ask_kafka(self, kafka: KafkaBus) -> str:
        try:
            await kafka.ping(_PROBE_SECONDS)
        except BusUnavailable:
            return "degraded"
        return "up"

    async def close(self) -> None:
        """Let go of the connection to PostgreSQL."""
        if self._postgres is not None:
            await self._postgres.close(timeout=1)
