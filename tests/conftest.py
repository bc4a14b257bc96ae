"""Fixtures of the real engines: started once per worker, with private databases for each test."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from nextbuy.embedded import Engines, start_engines
from nextbuy.kit.storage import cache_server
from nextbuy.kit.storage.database import Database
from nextbuy.kit.storage.migrations import migrate
from tests.journeys.scheduling import SharedFixtureScheduling, end_unused_marketplace
from tests.kafka_broker import kafka_bus, kafka_servers, own_kafka, own_kafka_bus, patient_kafka
from tests.machine_stalls import WATCH, rerun_after_stalls

__all__ = ["kafka_bus", "kafka_servers", "own_kafka", "own_kafka_bus", "patient_kafka"]

DatabaseUrl = Callable[[str], Awaitable[str]]
OpenDatabase = Callable[[str], Awaitable[Database]]
_TEST_DB = 1
_LONG_TEST = 600
"""Seconds. A long test shares the machine with others that take all of it."""
# How long an example takes depends on the other work of the machine.
settings.register_profile("nextbuy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nextbuy")
_LAYOUT = (
    "SELECT table_name::text, column_name::text, data_type::text"
    " FROM information_schema.columns WHERE table_schema = 'public'"
    " UNION ALL SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0"
)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """PostgreSQL and Redis, without fsync."""
    # The path of pytest's own folder is too long for a socket on some machines.
    folder = Path(tempfile.mkdtemp(prefix="nb-"))
    running = start_engines(folder / "data", fast_and_unsafe=True)
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def clean_databases() -> dict[str, list[str]]:
    """By service: clean databases that no test uses."""
    return {}


@pytest.fixture
async def database_url(engines: Engines, clean_databases: dict[str, list[str]]) -> AsyncIterator[DatabaseUrl]:
    """A function that returns the URL of an empty database with the tables of a service (`""`: of the kit only).

    Databases are emptied and reused: creating one takes as long as ten tests.
    """
    lent: list[tuple[str, str]] = []

    async def lend(service: str) -> str:
        clean = clean_databases.setdefault(service, [])
        name = clean.pop() if clean else await _make(engines.postgres.url, service)
        lent.append((service, name))
        return _named(engines.postgres.url, name)

    yield lend
    for service, name in lent:
        if await _empty(engines.postgres.url, name):
            clean_databases[service].append(name)


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
    """Reset a database to the state after its migrations; return false if a test changed its schema."""
    connection = await asyncpg.connect(_named(server, name))
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    added = await connection.fetch(f"SELECT DISTINCT table_name FROM (({_LAYOUT}) EXCEPT TABLE seeds.layout) AS new")
    lost = await connection.fetchval(f"SELECT EXISTS (TABLE seeds.layout EXCEPT ({_LAYOUT}))")
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
    """A function that opens a service's database; it is closed after the test."""
    opened: list[Database] = []

    async def connect(service: str) -> Database:
        opened.append(await Database.connect(await database_url(service), service))
        return opened[-1]

    yield connect
    for database in opened:
        await database.close()


@pytest.fixture
async def redis_url(engines: Engines) -> str:
    """The URL of an empty Redis."""
    url = urlunsplit(urlsplit(engines.redis.url)._replace(query=f"db={_TEST_DB}"))
    async with Redis.from_url(url) as client:
        await client.flushall()
    return url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def patient_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is never too slow for the shared cache, however busy the machine is."""
    monkeypatch.setattr(cache_server, "_SLICE", 0.5)


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rerun a test that failed because the machine stood still, and give long tests time."""
    rerun_after_stalls(items)
    for item in items:
        long = item.get_closest_marker("chaos") or item.get_closest_marker("scaled")
        if long and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_LONG_TEST))


def pytest_runtest_logstart() -> None:
    """Note when a test begins."""
    WATCH.begin_test()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End a marketplace after the last test in a row that uses it."""
    end_unused_marketplace(item, nextitem)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedFixtureScheduling:
    """Run all journeys on one marketplace on the same worker."""
    return SharedFixtureScheduling(config, log)
