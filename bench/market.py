"""The server under test: `nextbuy up --empty` in its own process and folder, with everybody in it that a load needs."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
from msgspec import Struct

from bench.catalogue import Shop
from bench.http import Connection
from bench.machine import SERVER_CORE, pin
from bench.programs import ProgramError, output_of, running
from nextbuy.embedded import running_urls as engines_of
from tools.kafka import free_ports

SHOPS: Final = 5
BUYERS: Final = 48
PASSWORD: Final = "correct-mule-battery-47"  # noqa: S105  protects nothing: the folder is gone when the bench ends
_ADMIN: Final = "admin@bench.test"
_PATIENCE: Final = 60.0
_APPROVED: Final = "SELECT count(*) FROM shops WHERE status = 'approved'"


class Market(Struct, frozen=True):
    """A marketplace that runs."""

    port: int
    pid: int
    data: Path
    ready_after: float
    """Seconds from its start until it said that it was ready."""

    def database_url(self, service: str) -> str:
        """Return the superuser's URL of a service's database.

        Raises:
            ProgramError: PostgreSQL does not run.
        """
        url, _ = engines_of(self.data)
        if url is None:
            message = f"PostgreSQL does not run on {self.data}"
            raise ProgramError(message)
        return urlunsplit(urlsplit(url)._replace(path=f"/{service if service == 'postgres' else f'nextbuy_{service}'}"))


class People(Struct, frozen=True):
    """Who is there: shops with their sellers, and buyers' access tokens."""

    shops: list[Shop]
    buyers: list[str]


@asynccontextmanager
async def market(data: Path) -> AsyncIterator[Market]:
    """Run a marketplace on a folder while the context lasts; its Python is kept on one core, its engines are not.

    Raises:
        ProgramError: it did not become ready.
    """
    [port] = free_ports(1)
    began = time.perf_counter()
    log = data.with_suffix(".said")
    environment = {
        "NEXTBUY_RATE_LIMITS": "off",
        "NEXTBUY_SECRET": "",
        "NEXTBUY_POSTGRES_URL": "",
        "NEXTBUY_REDIS_URL": "",
    }
    command = [sys.executable, "-m", "nextbuy", "up", "--empty", "--port", str(port), "--data", str(data)]
    async with running(command, environment=environment, log=log) as process:
        while not await _ready(port):
            if process.returncode is not None or time.perf_counter() - began > _PATIENCE:
                message = f"`nextbuy up` did not become ready: {log.read_text(errors='replace')[-1500:]}"
                raise ProgramError(message)
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        pin(process.pid, SERVER_CORE)
        yield Market(port, process.pid, data, took)


async def _ready(port: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        connection = await Connection.connect(port)
        try:
            status, _ = await connection.ask("GET", "/health/ready")
        finally:
            connection.close()
        return status == 200  # noqa: PLR2004
    return False


async def settle_people(there: Market) -> People:
    """Register sellers with approved shops, and buyers, all through the public API; wait until product knows the shops.

    Raises:
        ProgramError: something was refused.
    """
    await output_of(
        [sys.executable, "-m", "nextbuy", "create-admin", _ADMIN, "--data", str(there.data)],
        environment={"NEXTBUY_ADMIN_PASSWORD": PASSWORD},
        within=30,
    )
    connection = await Connection.connect(there.port)
    try:
        admin = await _expected(connection, "/auth/api/login", {"email": _ADMIN, "password": PASSWORD})
        shops = [await _shop(connection, number, admin["access_token"]) for number in range(SHOPS)]
        buyers = [(await _registered(connection, f"buyer{n}", "buyer"))["access_token"] for n in range(BUYERS)]
    finally:
        connection.close()
    await _until_known(there, SHOPS)
    return People(shops, buyers)


async def _shop(connection: Connection, number: int, admin: str) -> Shop:
    seller = await _registered(connection, f"seller{number}", "seller")
    token, user_id = seller["access_token"], seller["user"]["id"]
    asked = {"name": f"Bench shop {number}", "bio": "Sells what words make.", "category": "Home"}
    made = await _expected(connection, "/seller/api/create-shop", asked, token)
    await _expected(connection, f"/admin/api/approve-seller/{user_id}", {}, admin)
    return Shop(UUID(made["shop"]["id"]), UUID(user_id), token)


async def _registered(connection: Connection, name: str, role: str) -> dict[str, Any]:
    person = {"email": f"{name}@bench.test", "password": PASSWORD, "name": name, "role": role}
    return await _expected(connection, "/auth/api/register", person)


async def _expected(connection: Connection, path: str, body: object, token: str = "") -> dict[str, Any]:
    status, said = await connection.ask("POST", path, body, token)
    if status >= 300:  # noqa: PLR2004
        message = f"POST {path} was answered with {status}: {said}"
        raise ProgramError(message)
    answer: dict[str, Any] = said
    return answer


async def _until_known(there: Market, shops: int) -> None:
    connection = await asyncpg.connect(there.database_url("product"))
    try:
        async with asyncio.timeout(15):
            while await connection.fetchval(_APPROVED) < shops:  # noqa: ASYNC110  a table calls nobody
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
