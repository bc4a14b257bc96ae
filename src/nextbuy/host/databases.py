"""One database per service, each with a role that can reach no other: no join across services can be written."""

import asyncio
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from nextbuy.host.table import ENTRIES
from nextbuy.kit.config import ConfigError, Settings
from nextbuy.kit.storage.migrations import migrate

_KIT_MIGRATIONS: Final = "nextbuy.kit.migrations"
_OLDEST: Final = 170_000
"""`transaction_timeout`, which caches rely on, came with PostgreSQL 17."""
_LOCK: Final = 7300


def services_with_database(names: Iterable[str]) -> list[str]:
    """Return those of these services that have a database."""
    return [name for name in names if name in ENTRIES and ENTRIES[name].service.has_database]


def service_url(settings: Settings, name: str) -> str:
    """Return the URL under which a service reaches its own database, as its own role."""
    server = urlsplit(settings.postgres_url)
    _, at, place = server.netloc.rpartition("@")
    host = place if at else server.netloc
    netloc = f"nextbuy_{name}:{quote(_password(settings, name))}@{host}"
    return urlunsplit((server.scheme, netloc, f"/nextbuy_{name}", server.query, ""))


def _password(settings: Settings, name: str) -> str:
    return settings.derive(f"postgres:{name}")[:40]


async def prepare(settings: Settings, names: Iterable[str]) -> list[str]:
    """Make what is missing of the services' roles and databases, and run the migrations that they have not seen.

    Any number of processes may do it at once. Returns the migrations that were run.

    Raises:
        ConfigError: the server is too old, or its URL is not that of somebody who may make databases.
        OSError, asyncpg.PostgresError: the server cannot be reached.
    """
    wanted = services_with_database(names)
    connection = await asyncpg.connect(settings.postgres_url, timeout=10)
    try:
        await _make(connection, settings, wanted)
    except asyncpg.InsufficientPrivilegeError as error:
        message = f"NEXTBUY_POSTGRES_URL must be that of a role that may make roles and databases: {error}."
        raise ConfigError(message) from error
    finally:
        await connection.close()
    done = await asyncio.gather(*(_migrate(settings, name) for name in wanted))
    return [name for names_of_one in done for name in names_of_one]


async def _make(connection: "asyncpg.Connection[asyncpg.Record]", settings: Settings, names: list[str]) -> None:
    version: int = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    if version < _OLDEST:
        message = (
            f"PostgreSQL {_OLDEST // 10_000} or newer is needed; NEXTBUY_POSTGRES_URL names a {version // 10_000}."
        )
        raise ConfigError(message)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        roles = {
            row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'nextbuy_%'")
        }
        databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
        for name in names:
            role = f"nextbuy_{name}"
            # The password is derived from the secret: letters and digits only, and set anew where the secret changed.
            verb = "ALTER" if role in roles else "CREATE"
            await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{_password(settings, name)}'")
            if role not in databases:
                await connection.execute(f"GRANT {role} TO CURRENT_USER")
                await connection.execute(f"CREATE DATABASE {role} OWNER {role}")
                await connection.execute(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC")
        if "nextbuy_auth" not in databases:
            await connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _migrate(settings: Settings, name: str) -> list[str]:
    connection = await asyncpg.connect(service_url(settings, name), timeout=10)
    try:
        return [
            f"{name}: {done}" for done in await migrate(connection, [_KIT_MIGRATIONS, f"nextbuy.{name}.migrations"])
        ]
    finally:
        await connection.close()
