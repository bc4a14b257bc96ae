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
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.migrations import migrate
from tests.journeys.together import Together
from tests.kafka_broker import kafka_bus, kafka_servers, own_kafka, own_kafka_bus

__all__ = ["kafka_bus", "kafka_servers", "own_kafka", "own_kafka_bus"]

DatabaseUrl = Callable[[str], Awaitable[str]]
OpenDatabase = Callable[[str], Awaitable[Database]]
_TEST_DB = 1
_LAYOUT = (
    "SELECT table_name::text, column_name::text, data_type::text"
    " FROM information_schema.columns WHERE table_schema = 'public'"
)


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
def shelved() -> dict[str, list[str]]:
    """By service, the names of databases that are clean and used by no test."""
    return {}


@pytest.fixture
async def database_url(engines: Engines, shelved: dict[str, list[str]]) -> AsyncIterator[DatabaseUrl]:
    """Gives the URL of a database that has the tables of the kit and of a service (`""`: of no service), and no more.

    Databases are emptied and used again: to make one takes the time of ten tests.
    """
    lent: list[tuple[str, str]] = []

    async def lend(service: str) -> str:
        clean = shelved.setdefault(service, [])
        name = clean.pop() if clean else await _make(engines.postgres.url, service)
        lent.append((service, name))
        return _named(engines.postgres.url, name)

    yield lend
    for service, name in lent:
        if await _empty(engines.postgres.url, name):
            shelved[service].append(name)


async def _make(server: str, service: str) -> str:
    name = f"test_{service}_{uuid4().hex}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    await admin.close()
    connection = await asyncpg.connect(_named(server, name))
    own = f"nextbuy.{service}.migrations"
    has_own = bool(service) and find_spec(f"nextbuy.{service}") is not None and find_spec(own) is not None
    await migrate(connection, ["nextbuy.kit.migrations", *([own] if has_own else [])])
    await connection.execute("CREATE SCHEMA seeds")
    await connection.execute(f"CREATE TABLE seeds.layout AS {_LAYOUT}")
    for table in await _tables(connection):
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
            await connection.execute(f"CREATE TABLE seeds.rows_{table} AS TABLE {table}")
    await connection.close()
    return name


async def _empty(server: str, name: str) -> bool:
    """Bring a database back to what its migrations made of it; false where a test has changed what they made."""
    connection = await asyncpg.connect(_named(server, name))
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    added = await connection.fetch(f"SELECT DISTINCT table_name FROM ({_LAYOUT} EXCEPT TABLE seeds.layout) AS new")
    lost = await connection.fetchval(f"SELECT EXISTS (TABLE seeds.layout EXCEPT {_LAYOUT})")
    known = {row["table_name"] for row in await connection.fetch("SELECT DISTINCT table_name FROM seeds.layout")}
    usable = not lost and not known & {row["table_name"] for row in added}
    if usable:
        for row in added:
            await connection.execute(f"DROP TABLE {row['table_name']} CASCADE")
        await connection.execute(f"TRUNCATE {', '.join(sorted(known))} RESTART IDENTITY CASCADE")
        for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE tablename LIKE 'rows\\_%'"):
            table = row["tablename"].removeprefix("rows_")
            await connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE seeds.rows_{table}")
    await connection.close()
    return usable


async def _tables(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [row["tablename"] for row in rows]


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


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Keep the journeys through one marketplace on one worker."""
    return Together(config, log)
