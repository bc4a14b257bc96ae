"""`nextbuy create-admin`: beside a running marketplace, on given servers, or on engines started for the moment."""

import asyncio

from msgspec.structs import replace

from nextbuy.contracts.auth import Account
from nextbuy.embedded import running, start_engines
from nextbuy.host.accounts import make_admin
from nextbuy.host.databases import prepare
from nextbuy.host.secrets import kept_secret
from nextbuy.kit.config import Settings


def make_admin_anywhere(settings: Settings, email: str, password: str) -> Account:
    """Make an admin in the marketplace that the settings name.

    Raises:
        AppError: the e-mail or the password will not do.
        ConfigError, EngineError: the databases cannot be reached.
    """
    settings = replace(settings, secret=settings.secret or kept_secret(settings.data))
    if settings.postgres_url:
        return asyncio.run(_make(settings, email, password))
    postgres, redis = running(settings.data)
    if postgres is not None:
        there = replace(settings, postgres_url=postgres, redis_url=redis or settings.redis_url)
        return asyncio.run(_make(there, email, password))
    engines = start_engines(settings.data)
    try:
        here = replace(settings, postgres_url=engines.postgres.url, redis_url=engines.redis.url)
        return asyncio.run(_make(here, email, password))
    finally:
        engines.stop()


async def _make(settings: Settings, email: str, password: str) -> Account:
    await prepare(settings, ["auth"])
    return await make_admin(settings, email, password)
