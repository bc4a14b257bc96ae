"""Migrations: plain SQL files, each run once per database."""

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import asyncpg

from nextbuy.kit.storage.database import Row

_MIGRATION_NAME: Final = re.compile(r"\d{4}_[a-z0-9_]+\.sql")


async def migrate(connection: "asyncpg.Connection[Row]", packages: Sequence[str]) -> list[str]:
    """Run the migrations of some packages that this database has not seen yet, in order of package and name.

    They are plain SQL files in each package's folder, named `0001_what.sql`; each runs in its own transaction, under an
    advisory lock, so that any number of processes may start at once. Returns the names of those that were run.

    Raises:
        ValueError: a file is not named as it should be.
    """
    done: list[str] = []
    await connection.execute("SELECT pg_advisory_lock(7301)")
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        seen = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        for package in packages:
            folder = files(package)
            scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
            for script in scripts:
                if not _MIGRATION_NAME.fullmatch(script.name):
                    message = f"{package}: a migration is named like 0001_what.sql, not {script.name}"
                    raise ValueError(message)
                name = f"{package}/{script.name}"
                if name in seen:
                    continue
                async with connection.transaction():
                    await connection.execute(script.read_text(encoding="utf-8"))
                    await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
                done.append(name)
    finally:
        await connection.execute("SELECT pg_advisory_unlock(7301)")
    return done
