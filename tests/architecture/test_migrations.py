"""One database and one role per service: each role owns its tables and cannot connect to another database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest
from msgspec.structs import replace

from nextbuy.embedded import Engines
from nextbuy.host.composition import SERVICES
from nextbuy.host.databases import prepare, service_url
from nextbuy.kit.config import Settings
from tests.hostile.hostile_fixture import clear
from tests.ports import free_port


@pytest.fixture
async def settings(engines: Engines) -> AsyncIterator[Settings]:
    """A server without any database of the marketplace."""
    await clear(engines)
    yield Settings(secret=b"a secret of these tests alone", postgres_url=engines.postgres.url)
    await clear(engines)


def _scripts(service: str) -> list[str]:
    packages = ("nextbuy.kit.migrations", f"nextbuy.{service}.migrations")
    return [
        f"{service}: {package}/{script.name}"
        for package in packages
        for script in sorted(files(package).iterdir(), key=lambda script: script.name)
        if script.name.endswith(".sql")
    ]


def _into(settings: Settings, role: str, database: str) -> str:
    url = service_url(settings, role)
    assert url.count(f"/nextbuy_{role}") >= 1
    head, _, tail = url.rpartition(f"/nextbuy_{role}")
    return f"{head}/{database}{tail}"


async def test_tables_are_created_once_and_owned_by_role_of_their_service(settings: Settings) -> None:
    assert await prepare(settings, SERVICES) == [name for service in SERVICES for name in _scripts(service)]
    assert await prepare(settings, SERVICES) == []
    for service in SERVICES:
        connection = await asyncpg.connect(service_url(settings, service))
        try:
            rows = await connection.fetch("SELECT tableowner FROM pg_tables WHERE schemaname = 'public'")
            assert {row["tableowner"] for row in rows} == {f"nextbuy_{service}"}
            may = await connection.fetchrow(
                "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            assert may is not None
            assert not any(may)
            extensions = {row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")}
            assert extensions <= {"plpgsql", "vector"}
        finally:
            await connection.close()


async def test_processes_prepare_one_server_concurrently(settings: Settings) -> None:
    done = await asyncio.gather(*(prepare(settings, {"auth", service}) for service in SERVICES))
    assert sorted(name for names in done for name in names) == sorted(
        name for service in SERVICES for name in _scripts(service)
    )


async def _run(settings: Settings, *command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nextbuy", *command),
        env=os.environ
        | {
            "NEXTBUY_POSTGRES_URL": settings.postgres_url,
            "NEXTBUY_REDIS_URL": "redis://127.0.0.1:1",
            "NEXTBUY_SECRET": settings.secret.decode(),
            "NEXTBUY_PORT": str(free_port()),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.parametrize("command", [("migrate",), ("serve", *SERVICES)])
async def test_commands_explain_an_edited_migration_in_one_line(settings: Settings, command: tuple[str, ...]) -> None:
    await prepare(settings, SERVICES)
    connection = await asyncpg.connect(service_url(settings, "order"))
    await connection.execute("UPDATE migrations SET checksum = 'of an older text' WHERE name LIKE 'nextbuy.kit%'")
    await connection.close()

    status, output = await _run(settings, *command)

    assert status == 1
    assert "0001_kit.sql was edited after database nextbuy_order ran it. Restore the file" in output
    assert "Traceback" not in output
    assert len(output.strip().splitlines()) == 1


async def test_migrate_explains_an_unknown_database_in_one_line(settings: Settings) -> None:
    unknown = replace(settings, postgres_url=settings.postgres_url.replace("/postgres?", "/unknown?"))

    status, output = await _run(unknown, "migrate")

    assert (status, output.strip().splitlines()) == (
        1,
        ['nextbuy: PostgreSQL refuses the login: database "unknown" does not exist. Check NEXTBUY_POSTGRES_URL.'],
    )


async def test_role_connects_to_its_own_database_only(settings: Settings) -> None:
    await prepare(settings, SERVICES)
    for role in SERVICES:
        for database in (*(f"nextbuy_{other}" for other in SERVICES if other != role), "postgres"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
                await asyncpg.connect(_into(settings, role, database))
        # The same URL with its own database works, so the refusals above are about the database.
        connection = await asyncpg.connect(_into(settings, role, f"nextbuy_{role}"))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SET ROLE nextbuy_auth" if role != "auth" else "SET ROLE nextbuy_order")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE DATABASE mine")
        finally:
            await connection.close()


async def test_role_cannot_read_tables_of_open_database(settings: Settings, engines: Engines) -> None:
    await prepare(settings, SERVICES)
    admin = await asyncpg.connect(engines.postgres.url)
    try:
        await admin.execute("GRANT CONNECT ON DATABASE nextbuy_auth TO PUBLIC")
    finally:
        await admin.close()
    connection = await asyncpg.connect(_into(settings, "order", "nextbuy_auth"))
    try:
        # Even with the right to connect: only the owner reads its tables.
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM accounts")
    finally:
        await connection.close()
