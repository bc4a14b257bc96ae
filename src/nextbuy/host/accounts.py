"""Admin accounts: created by the operator, never through the public API."""

import asyncio

from redis.asyncio import Redis

import nextbuy.auth.deps
from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import Account
from nextbuy.contracts.message import Call, Check, Reply
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
        return await create_admin(nextbuy.auth.deps.assemble(context), email, password, name)
    finally:
        await redis.aclose()
        await database.close()


async def _refuse_call(call: Call[Reply], _check: Check[Reply] | None = None) -> Reply:
    message = f"create-admin makes no calls, but sent {call.name}"
    raise RuntimeError(message)
