"""What works beside a running marketplace, on given servers, or on engines started for the moment."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from nextbuy.embedded import running, start_engines
from nextbuy.host.databases import prepare, service_url
from nextbuy.host.secrets import kept_secret
from nextbuy.kit.config import Settings
from nextbuy.kit.storage.database import Database

T = TypeVar("T")


@contextlib.contextmanager
def connect_or_start(settings: Settings) -> Iterator[Settings]:
    """Give the settings under which the engines of a marketplace are reached.

    Raises:
        EngineError: they cannot be started.
    """
    settings = replace(settings, secret=settings.secret or kept_secret(settings.data))
    if settings.postgres_url:
        yield settings
        return
    postgres, redis = running(settings.data)
    if postgres is not None:
        yield replace(settings, postgres_url=postgres, redis_url=redis or settings.redis_url)
        return
    engines = start_engines(settings.data)
    try:
        yield replace(settings, postgres_url=engines.postgres.url, redis_url=engines.redis.url)
    finally:
        engines.stop()


def on_database(settings: Settings, service: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Do something with the database of a service of the marketplace that the settings name.

    Raises:
        ConfigError, EngineError, OSError, asyncpg.PostgresError: the database cannot be reached.
    """

    async def opened(there: Settings) -> T:
        await prepare(there, [service])
        database = await Database.connect(service_url(there, service), service, max_connections=2)
        try:
            return await act(database)
        finally:
            await database.close()

    with connect_or_start(settings) as there:
        return asyncio.run(opened(there))
