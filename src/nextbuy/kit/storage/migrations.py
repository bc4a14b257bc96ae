"""Migrations: SQL files that run once per database, and only on a database that fits this release.

The files of a package are named like `0001_orders.sql`. The first line of each declares the oldest release that can
still run on a database with this migration, like `-- oldest release: 0.2.0`: raise it when a migration drops what that
release needs, which is one release after the code stopped using it (expand, then contract).

A migration that has run is never edited, renamed or deleted, and a new file is numbered after it.
"""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Final, TypeAlias

import asyncpg
from msgspec import Struct

from nextbuy.kit.storage.database import Row

RELEASE: Final = version("nextbuy")
_FILE_NAME: Final = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_HEADER: Final = re.compile(r"-- oldest release: (\d+\.\d+\.\d+)\n")
_ADVISORY_LOCK_KEY: Final = 7301

_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS migrations (
        name           text        PRIMARY KEY,
        checksum       text        NOT NULL,
        oldest_release text        NOT NULL,
        release        text        NOT NULL,
        applied_at     timestamptz NOT NULL DEFAULT now()
    )
"""
_COLUMNS: Final = frozenset({"name", "checksum", "oldest_release", "release", "applied_at"})
_READ_COLUMNS: Final = """
    SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('migrations') AND attnum > 0 AND NOT attisdropped
"""
_FIRST_RELEASE: Final = "0.2.0"
"""The first release: databases of earlier versions are not upgraded."""

Connection: TypeAlias = "asyncpg.Connection[Row]"


class MigrationError(Exception):
    """A mismatch of a database and this release; the message gives the reason and the remedy."""


class Migration(Struct, frozen=True):
    """A migration file; `checksum` is the SHA-256 of `sql`."""

    name: str
    sql: str
    checksum: str
    oldest_release: str


def read_migrations(packages: Sequence[str], *, release: str = RELEASE) -> list[Migration]:
    """Return the migrations of some packages, in order of package and name.

    Raises:
        MigrationError: a file has a wrong name, does not declare its oldest release, or excludes this one.
    """
    migrations = []
    for package in packages:
        scripts = (script for script in files(package).iterdir() if script.name.endswith(".sql"))
        for script in sorted(scripts, key=lambda script: script.name):
            name = f"{package}/{script.name}"
            if not _FILE_NAME.fullmatch(script.name):
                message = f"{name}: invalid name. Name a migration like 0001_orders.sql."
                raise MigrationError(message)
            sql = script.read_bytes().decode(errors="replace")
            header = _HEADER.match(sql)
            if header is None or _is_older(release, header[1]):
                message = f"{name}: invalid first line. Write `-- oldest release: {release}` or an older release."
                raise MigrationError(message)
            migrations.append(Migration(name, sql, hashlib.sha256(sql.encode()).hexdigest(), header[1]))
    return migrations


async def migrate(connection: Connection, packages: Sequence[str], *, release: str = RELEASE) -> list[str]:
    """Run the migrations of some packages that this database lacks, and return their names.

    Each runs in its own transaction, under an advisory lock; any number of processes may start at once.

    Raises:
        MigrationError: the database does not fit this release and nothing was run; or a migration failed, and those
            before it were run.
    """
    migrations = read_migrations(packages, release=release)
    await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK_KEY)
    try:
        await connection.execute(_TABLE)
        missing = await _missing(connection, migrations, release)
        for migration in missing:
            await _apply(connection, migration, release)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_LOCK_KEY)
    return [migration.name for migration in missing]


async def _apply(connection: Connection, migration: Migration, release: str) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (name, checksum, oldest_release, release) VALUES ($1, $2, $3, $4)",
                migration.name,
                migration.checksum,
                migration.oldest_release,
                release,
            )
    except asyncpg.PostgresError as error:
        message = (
            f"Migration {migration.name} failed on database {await _name(connection)} and was rolled back: {error}. "
            "Correct the cause, then try again."
        )
        raise MigrationError(message) from error


async def check_migrated(connection: Connection, packages: Sequence[str], *, release: str = RELEASE) -> None:
    """Check that a database has these migrations and fits this release; raise MigrationError if not."""
    missing = await _missing(connection, read_migrations(packages, release=release), release)
    if missing:
        message = f"Database {await _name(connection)} lacks migration {missing[0].name}. Run `nextbuy migrate` first."
        raise MigrationError(message)


async def _missing(connection: Connection, migrations: Sequence[Migration], release: str) -> list[Migration]:
    columns = {row["attname"] for row in await connection.fetch(_READ_COLUMNS)}
    if not columns:
        return list(migrations)
    database = await _name(connection)
    applied: list[Row] | None = None
    if columns >= _COLUMNS:
        applied = await connection.fetch("SELECT * FROM migrations ORDER BY applied_at, name")
    if applied is None or any(_is_older(row["release"], _FIRST_RELEASE) for row in applied):
        message = (
            f"Database {database} was created by an unreleased version of NextBuy, and cannot be upgraded. "
            "Delete the data folder, or drop the databases, to create new ones."
        )
        raise MigrationError(message)
    for row in applied:
        if _is_older(release, row["oldest_release"]):
            message = (
                f"Database {database} needs NextBuy {row['oldest_release']} or newer, and this is {release}. "
                "Upgrade NextBuy, or restore a backup from before the upgrade."
            )
            raise MigrationError(message)
    _check_applied_files(applied, migrations, database, release)
    names = {row["name"] for row in applied}
    missing = [migration for migration in migrations if migration.name not in names]
    for migration in missing:
        package = migration.name.partition("/")[0]
        last = max((name for name in names if name.startswith(f"{package}/")), default="")
        if migration.name < last:
            message = (
                f"Migration {migration.name} comes before {last}, which database {database} has already run. "
                "Give the new file the next number."
            )
            raise MigrationError(message)
    return missing


def _check_applied_files(applied: list[Row], migrations: Sequence[Migration], database: str, release: str) -> None:
    """Check that every applied migration still has its file, unless a newer release brought it."""
    checksums = {migration.name: migration.checksum for migration in migrations}
    for row in applied:
        name, checksum = row["name"], checksums.get(row["name"])
        if checksum is None and not _is_older(release, row["release"]):
            message = f"Migration {name} was deleted or renamed after database {database} ran it. Restore the file."
            raise MigrationError(message)
        if checksum not in {None, row["checksum"]}:
            message = (
                f"Migration {name} was edited after database {database} ran it. "
                "Restore the file and write a new migration instead."
            )
            raise MigrationError(message)


async def _name(connection: Connection) -> str:
    return str(await connection.fetchval("SELECT current_database()"))


def _is_older(release: str, other: str) -> bool:
    return _numbers(release) < _numbers(other)


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)[:3]]
