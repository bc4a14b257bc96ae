"""The real engines, started once for each worker; each test has databases and a Redis of its own on them."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from nextbuy.embedded import Engines, start_engines
from nextbuy.kit.database import Database, migrate

DatabaseUrl = Callable[[str], Awaitable[str]]
OpenDatabase = Callable[[str], Awaitable[Database]]
_TEST_DB = 1


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """PostgreSQL and Redis; nothing is written through to the disk."""
    # Not pytest's own folder, whose path is too long for a socket on some machines.
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    running = start_engines(folder / "data", fast_and_unsafe=True)
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def templates() -> set[str]:
    """The services whose migrated, empty database is there to be copied."""
    return set()


@pytest.fixture
async def database_url(engines: Engines, templates: set[str]) -> AsyncIterator[DatabaseUrl]:
    """Makes a new database with the tables of the kit and of a service (`""`: of the kit alone), and gives its URL."""
    admin = await asyncpg.connect(engines.postgres.url)
    made: list[str] = []

    async def make(service: str) -> str:
        template = f"template_{service}"
        if service not in templates:
            await admin.execute(f"CREATE DATABASE {template}")
            connection = await asyncpg.connect(_named(engines.postgres.url, template))
            own = f"nextbuy.{service}.migrations"
            has_own = bool(service) and find_spec(f"nextbuy.{service}") is not None and find_spec(own) is not None
            await migrate(connection, ["nextbuy.kit.migrations", *([own] if has_own else [])])
            await connection.close()
            templates.add(service)
        name = f"test_{uuid4().hex}"
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        made.append(name)
        return _named(engines.postgres.url, name)

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def open_database(database_url: DatabaseUrl) -> AsyncIterator[OpenDatabase]:
    """Opens a new database of a service, and closes it after the test."""
    opened: list[Database] = []

    async def connect(service: str) -> Database:
        opened.append(await Database.connect(await database_url(service), service))
        return opened[-1]

    yield connect
    for database in opened:
        await database.close()


@pytest.fixture
async def redis_url(engines: Engines) -> str:
    """The URL of a Redis that is empty."""
    url = urlunsplit(urlsplit(engines.redis.url)._replace(query=f"db={_TEST_DB}"))
    async with Redis.from_url(url) as client:
        await client.flushall()
    return url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of a Redis that is empty."""
    async with Redis.from_url(redis_url) as client:
        yield client


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
