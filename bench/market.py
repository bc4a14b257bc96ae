"""The server under test: `nextbuy up --empty` in its own process and folder, with the accounts that a load needs."""

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
_TIMEOUT: Final = 60.0
_APPROVED: Final = "SELECT count(*) FROM shops WHERE status = 'approved'"


class Market(Struct, frozen=True):
    """A running marketplace, the target of all loads."""

    port: int
    pid: int
    data: Path
    ready_after: float
    """Seconds from its start until it was ready."""

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
    """The shops with their sellers, and the access tokens of buyers."""

    shops: list[Shop]
    buyers: list[str]


@asynccontextmanager
async def market(data: Path) -> AsyncIterator[Market]:
    """Run a marketplace on a folder while the context lasts; its Python is pinned to one core, its engines are not.

    Raises:
        ProgramError: it did not become ready.
    """
    [port] = free_ports(1)
    started = time.perf_counter()
    log = data.with_suffix(".out")
    environment = {
        "NEXTBUY_RATE_LIMITS": "off",
        "NEXTBUY_SECRET": "",
        "NEXTBUY_POSTGRES_URL": "",
        "NEXTBUY_REDIS_URL": "",
        "NEXTBUY_CACHE_URL": "",
    }
    command = [sys.executable, "-m", "nextbuy", "up", "--empty", "--port", str(port), "--data", str(data)]
    async with running(command, environment=environment, log=log) as process:
        while not await _ready(port):
            if process.returncode is not None or time.perf_counter() - started > _TIMEOUT:
                message = f"`nextbuy up` did not become ready: {log.read_text(errors='replace')[-1500:]}"
                raise ProgramError(message)
            await asyncio.sleep(0.01)
        took = time.perf_counter() - started
        pin(process.pid, SERVER_CORE)
        yield Market(port, process.pid, data, took)


async def _ready(port: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        connection = await Connection.connect(port)
        try:
            status, _ = await connection.request("GET", "/health/ready")
        finally:
            connection.close()
        return status == 200  # noqa: PLR2004
    return False


async def settle_people(target: Market) -> People:
    """Register buyers, and sellers with approved shops, through the public API; wait until product knows the shops.

    Raises:
        ProgramError: a request was refused.
    """
    await output_of(
        [sys.executable, "-m", "nextbuy", "create-admin", _ADMIN, "--data", str(target.data)],
        environment={"NEXTBUY_ADMIN_PASSWORD": PASSWORD},
        timeout=30,
    )
    connection = await Connection.connect(target.port)
    try:
        admin = await _expected(connection, "/auth/api/login", {"email": _ADMIN, "password": PASSWORD})
        shops = [await _shop(connection, number, admin["access_token"]) for number in range(SHOPS)]
        buyers = [(await _registered(connection, f"buyer{n}", "buyer"))["access_token"] for n in range(BUYERS)]
    finally:
        connection.close()
    await _until_known(target, SHOPS)
    return People(shops, buyers)


async def _shop(connection: Connection, number: int, admin: str) -> Shop:
    seller = await _registered(connection, f"seller{number}", "seller")
    token, user_id = seller["access_token"], seller["user"]["id"]
    request = {"name": f"Bench shop {number}", "bio": "Sells what words make.", "category": "Home"}
    made = await _expected(connection, "/seller/api/create-shop", request, token)
    await _expected(connection, f"/admin/api/approve-seller/{user_id}", {}, admin)
    return Shop(UUID(made["shop"]["id"]), UUID(user_id), token)


async def _registered(connection: Connection, name: str, role: str) -> dict[str, Any]:
    person = {"email": f"{name}@bench.test", "password": PASSWORD, "name": name, "role": role}
    return await _expected(connection, "/auth/api/register", person)


async def _expected(connection: Connection, path: str, body: object, token: str = "") -> dict[str, Any]:
    status, reply = await connection.request("POST", path, body, token)
    if status >= 300:  # noqa: PLR2004
        message = f"POST {path} returned {status}: {reply}"
        raise ProgramError(message)
    decoded: dict[str, Any] = reply
    return decoded


async def _until_known(target: Market, shops: int) -> None:
    connection = await asyncpg.connect(target.database_url("product"))
    try:
        async with asyncio.timeout(15):
            while await connection.fetchval(_APPROVED) < shops:  # noqa: ASYNC110  a table sends no signal
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
