"""Admin and demo accounts: created by the operator, never through the public API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

import nextbuy.auth.deps
from nextbuy.auth.create_admin import create_admin
from nextbuy.auth.create_demo_accounts import create_demo_accounts
from nextbuy.contracts.auth import Account
from nextbuy.contracts.message import Call, Check, Reply
from nextbuy.contracts.values import Role, new_id
from nextbuy.demo.catalogue import load
from nextbuy.host.attach import connect_or_start
from nextbuy.host.databases import prepare, service_url
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database


def create_admin_offline(settings: Settings, email: str, password: str) -> Account:
    """Create an admin in the marketplace on the data folder, whether or not it runs.

    Raises:
        AppError: the e-mail address or the password is not acceptable.
        ConfigError, EngineError, OSError, asyncpg.PostgresError: the database cannot be reached.
    """

    async def run(engines: Settings) -> Account:
        await prepare(engines, ["auth"])
        return await store_admin(engines, email, password)

    with connect_or_start(settings) as engines:
        return asyncio.run(run(engines))


async def store_admin(settings: Settings, email: str, password: str, *, name: str = "Admin") -> Account:
    """Create an admin, or give an existing one a new password, in a prepared database.

    Raises:
        AppError: the e-mail address or the password is not acceptable.
        OSError, asyncpg.PostgresError: the database cannot be reached.
    """
    async with _auth(settings) as deps:
        return await create_admin(deps, email, password, name)


async def store_demo_accounts(settings: Settings, password: str) -> None:
    """Create the buyers and sellers of the demo market, with confirmed e-mail addresses, in a prepared database."""
    accounts = [
        Account(new_id(), account.email, account.name, account.role, email_confirmed=True)
        for account in load().accounts
        if account.role is not Role.ADMIN
    ]
    async with _auth(settings) as deps:
        await create_demo_accounts(deps, accounts, password)


@asynccontextmanager
async def _auth(settings: Settings) -> AsyncIterator[nextbuy.auth.deps.Deps]:
    database = await Database.connect(service_url(settings, "auth"), "auth", max_connections=1)
    redis = Redis.from_url(settings.redis_url) if settings.redis_url else Redis()
    try:
        context = ServiceContext(
            send=_refuse_call,
            deliver=_refuse_call,
            settings=settings,
            journal=Journal(),
            clock=utc_now,
            database=database,
            cache=SharedCache(None, ""),
            bus=RedisBus(redis, settings.redis_prefix),
            destinations=(),
            publishers=(),
        )
        yield nextbuy.auth.deps.assemble(context)
    finally:
        await redis.aclose()
        await database.close()


async def _refuse_call(call: Call[Reply], _check: Check[Reply] | None = None) -> Reply:
    message = f"create-admin makes no calls, but sent {call.name}"
    raise RuntimeError(message)
