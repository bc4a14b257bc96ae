"""`nextbuy create-admin`: beside a running marketplace, on given servers, or on engines started for the moment."""

import asyncio

from nextbuy.contracts.auth import Account
from nextbuy.host.accounts import make_admin
from nextbuy.host.attach import connect_or_start
from nextbuy.host.databases import prepare
from nextbuy.kit.config import Settings


def make_admin_anywhere(settings: Settings, email: str, password: str) -> Account:
    """Make an admin in the marketplace that the settings name.

    Raises:
        AppError: the e-mail or the password will not do.
        ConfigError, EngineError: the databases cannot be reached.
    """
    with connect_or_start(settings) as there:
        return asyncio.run(_make(there, email, password))


async def _make(settings: Settings, email: str, password: str) -> Account:
    await prepare(settings, ["auth"])
    return await make_admin(settings, email, password)
