"""Migrations on a real PostgreSQL: each runs once, and a database that does not fit this code is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from nextbuy.embedded import Engines
from nextbuy.kit.storage.migrations import MigrationError, check_migrated, migrate, read_migrations

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Package = Callable[..., str]
HEADER = "-- oldest release: 0.2.0\n"


@pytest.fixture
async def url(engines: Engines) -> AsyncIterator[str]:
    """The URL of an empty database."""
    name = f"test_migrations_{uuid4().hex}"
    admin = await asyncpg.connect(engines.postgres.url)
    await admin.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    yield urlunsplit(urlsplit(engines.postgres.url)._replace(path=f"/{name}"))
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Writes files of migrations into a package, the same at each call, and returns its name."""
    name = f"migrations_{uuid4().hex}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(**scripts: str) -> str:
        for script, sql in scripts.items():
            (tmp_path / name / f"{script}.sql").write_text(sql, encoding="utf-8")
        return name

    return write


async def test_each_migration_runs_once_in_order(database: Connection, package: Package) -> None:
    name = package(**{"0002_b": HEADER + "ALTER TABLE a ADD b int", "0001_a": HEADER + "CREATE TABLE a (id int)"})
    assert await migrate(database, [name]) == [f"{name}/0001_a.sql", f"{name}/0002_b.sql"]

    package(**{"0003_c": HEADER + "ALTER TABLE a ADD c int"})
    assert await migrate(database, [name]) == [f"{name}/0003_c.sql"]
    assert await migrate(database, [name]) == []


async def test_processes_that_migrate_at_once_share_the_work(url: str, package: Package) -> None:
    name = package(**{"0001_a": HEADER + "CREATE TABLE a (id int); SELECT pg_sleep(0.1)"})

    async def run() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            return await migrate(connection, [name])
        finally:
            await connection.close()

    ran = await asyncio.gather(*(run() for _ in range(4)))

    assert [migration for names in ran for migration in names] == [f"{name}/0001_a.sql"]


async def test_failed_migration_leaves_nothing_and_runs_again(database: Connection, package: Package) -> None:
    name = package(**{"0001_a": HEADER + "CREATE TABLE a (id int); SELECT 1 / 0"})
    with pytest.raises(MigrationError, match=r"0001_a.sql failed on database .* rolled back: division by zero\. Corr"):
        await migrate(database, [name])

    package(**{"0001_a": HEADER + "CREATE TABLE a (id int)"})
    assert await migrate(database, [name]) == [f"{name}/0001_a.sql"]


async def test_edited_migration_is_refused(database: Connection, package: Package) -> None:
    name = package(**{"0001_a": HEADER + "CREATE TABLE a (id int)"})
    await migrate(database, [name])
    package(**{"0001_a": HEADER + "CREATE TABLE a (id int, b int)", "0002_c": HEADER + "CREATE TABLE c (id int)"})

    for refuse in (migrate, check_migrated):
        with pytest.raises(MigrationError, match=rf"{name}/0001_a.sql was edited after database test_.* ran it\."):
            await refuse(database, [name])

    assert await database.fetchval("SELECT to_regclass('c')") is None


@pytest.mark.parametrize("edit", ["deleted", "renamed", "renamed and edited"])
async def test_applied_migration_without_its_file_is_refused(
    database: Connection, package: Package, tmp_path: Path, edit: str
) -> None:
    name = package(**{"0001_a": HEADER + "CREATE TABLE a (id int)", "0002_b": HEADER + "CREATE TABLE b (id int)"})
    await migrate(database, [name])
    file = tmp_path / name / "0002_b.sql"
    if edit == "deleted":
        file.unlink()
    else:
        file = file.rename(file.with_name("0002_c.sql"))
    if edit == "renamed and edited":
        file.write_text(HEADER + "CREATE TABLE c (id int)", encoding="utf-8")

    for refuse in (migrate, check_migrated):
        with pytest.raises(MigrationError, match=rf"{name}/0002_b.sql was deleted or renamed after .* Restore the"):
            await refuse(database, [name])

    assert await database.fetchval("SELECT to_regclass('c')") is None


async def test_migration_numbered_before_an_applied_one_is_refused(database: Connection, package: Package) -> None:
    name = package(**{"0002_b": HEADER + "CREATE TABLE b (id int)"})
    await migrate(database, [name])
    package(**{"0001_a": HEADER + "CREATE TABLE a (id int)"})

    for refuse in (migrate, check_migrated):
        with pytest.raises(MigrationError, match=rf"{name}/0001_a.sql comes before {name}/0002_b.sql, .* next number"):
            await refuse(database, [name])

    assert await database.fetchval("SELECT to_regclass('a')") is None


async def test_code_older_than_a_migration_allows_is_refused(database: Connection, package: Package) -> None:
    name = package(**{"0001_a": "-- oldest release: 0.9.0\nCREATE TABLE a (id int)"})
    await migrate(database, [name], release="0.10.0")
    older = package(**{"0001_a": HEADER})

    for refuse in (migrate, check_migrated):
        with pytest.raises(
            MigrationError, match=r"needs NextBuy 0\.9\.0 or newer, and this is 0\.8\.2\. Upgrade NextB"
        ):
            await refuse(database, [older], release="0.8.2")


async def test_older_code_runs_on_a_database_that_was_only_expanded(database: Connection, package: Package) -> None:
    new = package(**{"0001_a": HEADER + "CREATE TABLE a (id int)"})
    await migrate(database, [new], release="0.3.0")

    await check_migrated(database, [], release="0.2.0")
    assert await migrate(database, [], release="0.2.0") == []


@pytest.mark.parametrize("columns", ["", ", checksum text NOT NULL", ", checksum text, oldest_release text"])
async def test_database_of_an_unreleased_version_is_refused(
    database: Connection, package: Package, columns: str
) -> None:
    await database.execute(f"CREATE TABLE migrations (name text PRIMARY KEY, at timestamptz DEFAULT now(){columns})")

    for refuse in (migrate, check_migrated):
        with pytest.raises(MigrationError, match=r"created by an unreleased version .* Delete the data folder"):
            await refuse(database, [package(**{"0001_a": HEADER})])


async def test_database_of_a_version_before_the_first_release_is_refused(
    database: Connection, package: Package
) -> None:
    name = package(**{"0001_a": HEADER + "CREATE TABLE a (id int)"})
    await migrate(database, [name])
    await database.execute("UPDATE migrations SET release = '0.1.0'")

    for refuse in (migrate, check_migrated):
        with pytest.raises(MigrationError, match=r"created by an unreleased version .* Delete the data folder"):
            await refuse(database, [name])


async def test_check_refuses_a_database_that_lacks_a_migration(database: Connection, package: Package) -> None:
    name = package(**{"0001_a": HEADER})

    with pytest.raises(MigrationError, match=rf"lacks migration {name}/0001_a.sql. Run `nextbuy migrate` first"):
        await check_migrated(database, [name])

    assert await database.fetchval("SELECT to_regclass('migrations')") is None


@pytest.mark.parametrize(
    ("file", "sql", "complaint"),
    [
        ("1_a", HEADER, "Name a migration like 0001_orders.sql."),
        ("0001_a", "CREATE TABLE a (id int)", "Write `-- oldest release: 0.2.0` or an older release."),
        ("0001_a", "-- oldest release: 0.3.0\n", "Write `-- oldest release: 0.2.0` or an older release."),
    ],
)
def test_malformed_file_is_refused(package: Package, file: str, sql: str, complaint: str) -> None:
    name = package(**{file: sql})

    with pytest.raises(MigrationError, match=complaint):
        read_migrations([name], release="0.2.0")
