"""Access for commands to a marketplace's engines (PostgreSQL and Redis), which are started if they do not run."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from nextbuy.embedded import running_urls
from nextbuy.host.composition import running_engines
from nextbuy.host.databases import prepare, service_url
from nextbuy.host.secrets import installation_secret
from nextbuy.kit.config import Settings
from nextbuy.kit.storage.database import Database

T = TypeVar("T")


@contextlib.contextmanager
def connect_or_start(settings: Settings) -> Iterator[Settings]:
    """Yield settings with the URLs of the engines, and stop those that were started here."""
    settings = replace(settings, secret=settings.secret or installation_secret(settings.data))
    postgres, redis = running_urls(settings.data)
    if postgres is not None and not settings.postgres_url:
        settings = replace(settings, postgres_url=postgres, redis_url=settings.redis_url or redis or "")
    if settings.postgres_url:
        yield settings
    else:
        with running_engines(settings) as engines:
            yield engines


def on_database(settings: Settings, service: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Return the result of `act` on a service's database, after its migrations have run."""

    async def run(engines: Settings) -> T:
        await prepare(engines, [service])
        database = await Database.connect(service_url(engines, service), service, max_connections=2)
        try:
            return await act(database)
        finally:
            await database.close()

    with connect_or_start(settings) as engines:
        return asyncio.run(run(engines))
