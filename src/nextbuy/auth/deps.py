"""The dependencies of auth; it calls no other service."""

from dataclasses import dataclass

from nextbuy.auth.keys import Keys
from nextbuy.auth.passwords import Passwords
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The dependencies of auth's use cases."""

    database: Database
    clock: Clock
    settings: Settings
    passwords: Passwords
    keys: Keys

    async def start(self) -> None:
        """Create a signing key if the database has no usable one."""
        await self.keys.start()

    async def stop(self) -> None:
        """Stop the threads that hash passwords."""
        self.passwords.close()


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of auth."""
    return Deps(
        database=context.database,
        clock=context.clock,
        settings=context.settings,
        passwords=Passwords(),
        keys=Keys(context.database, context.settings, context.clock),
    )
