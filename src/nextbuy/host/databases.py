"""One database and one role per service; a role can reach no other service's database."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.storage.migrations import Connection, check_migrated, migrate

T = TypeVar("T")

_MIN_VERSION: Final = 17
"""The first PostgreSQL with `transaction_timeout`, which caches rely on."""
_ADVISORY_LOCK: Final = 7300


def service_url(settings: Settings, name: str) -> str:
    """Return the URL of a service's own database, for its own role."""
    server = urlsplit(settings.postgres_url)
    host = server.netloc.rpartition("@")[2]
    netloc = f"nextbuy_{name}:{quote(_password(settings, name))}@{host}"
    return urlunsplit((server.scheme, netloc, f"/nextbuy_{name}", server.query, ""))


def _password(settings: Settings, name: str) -> str:
    return settings.derive(f"postgres:{name}")[:40]


async def prepare(settings: Settings, services: Collection[str]) -> list[str]:
    """Create missing roles and databases of these services, and run their pending migrations.

    Safe in any number of processes at once. Returns the migrations that ran.

    Raises:
        ConfigError: the server is too old, or the URL's role may not create roles and databases.
        MigrationError: a database does not fit this code.
        OSError, asyncpg.PostgresError: the server cannot be reached.
    """
    connection = await asyncpg.connect(settings.postgres_url, timeout=10)
    try:
        await _create_databases(connection, settings, services)
    except asyncpg.InsufficientPrivilegeError as error:
        message = f"The role in NEXTBUY_POSTGRES_URL needs CREATEROLE and CREATEDB. Grant both, then retry ({error})."
        raise ConfigError(message) from error
    finally:
        await connection.close()
    migrated = await asyncio.gather(*(_on_database(settings, name, migrate) for name in services))
    return [f"{name}: {script}" for name, scripts in zip(services, migrated, strict=True) for script in scripts]


async def _create_databases(connection: Connection, settings: Settings, services: Collection[str]) -> None:
    version = connection.get_server_version().major
    if version < _MIN_VERSION:
        message = (
            f"PostgreSQL {version} is too old; NextBuy needs {_MIN_VERSION} or newer. "
            "Unset NEXTBUY_POSTGRES_URL to use the built-in server."
        )
        raise ConfigError(message)
    await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
    try:
        roles = {
            row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'nextbuy_%'")
        }
        databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
        for name in services:
            role = f"nextbuy_{name}"
            # The password is hex digits, so quoting is safe; it is set again in case the secret changed.
            verb = "ALTER" if role in roles else "CREATE"
            await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{_password(settings, name)}'")
            if role not in databases:
                await connection.execute(f"GRANT {role} TO CURRENT_USER")
                await connection.execute(f"CREATE DATABASE {role} OWNER {role}")
                await connection.execute(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC")
        if "nextbuy_auth" not in databases:
            await connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_LOCK)


async def check_databases(settings: Settings, services: Collection[str]) -> None:
    """Check that the databases of these services fit this code, and raise MigrationError if not; change nothing."""
    await asyncio.gather(*(_on_database(settings, name, check_migrated) for name in services))


async def _on_database(settings: Settings, name: str, act: Callable[[Connection, Sequence[str]], Awaitable[T]]) -> T:
    connection = await asyncpg.connect(service_url(settings, name), timeout=10)
    try:
        return await act(connection, ["nextbuy.kit.migrations", f"nextbuy.{name}.migrations"])
    finally:
        await connection.close()
