"""The first admin: made beside a running marketplace, never by a public way."""

from redis.asyncio import Redis

import nextbuy.auth.deps
from nextbuy.auth.create_admin import create_admin
from nextbuy.contracts.auth import Account
from nextbuy.contracts.message import Call, Reply
from nextbuy.host.databases import service_url
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


async def make_admin(settings: Settings, email: str, password: str, *, name: str = "Admin") -> Account:
    """Make an admin, or give one that there is a new password; the databases must have been prepared.

    Raises:
        AppError: the e-mail or the password will not do; the message says why.
        OSError, asyncpg.PostgresError: the database cannot be reached.
    """
    database = await Database.connect(service_url(settings, "auth"), "auth", max_connections=1)
    redis = Redis.from_url(settings.redis_url) if settings.redis_url else Redis()
    try:
        parts = ServiceContext(
            send=_nobody,
            settings=settings,
            journal=Journal(),
            clock=utc_now,
            interactions=Interactions(redis),
            database_or_none=database,
        )
        return await create_admin(nextbuy.auth.deps.assemble(parts), email, password, name)
    finally:
        await redis.aclose()
        await database.close()


async def _nobody(call: Call[Reply]) -> Reply:
    message = f"making an admin asks nobody, but sent {call.name}"
    raise RuntimeError(message)
