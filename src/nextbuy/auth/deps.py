"""What auth needs: no other service."""

from dataclasses import dataclass

from nextbuy.auth.keys import Keys
from nextbuy.auth.passwords import Passwords
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service_context import ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True)
class Deps:
    """The parts of auth."""

    database: Database
    clock: Clock
    settings: Settings
    journal: Journal
    passwords: Passwords
    keys: Keys


def assemble(parts: ServiceContext) -> Deps:
    """Put auth together."""
    return Deps(
        database=parts.database,
        clock=parts.clock,
        settings=parts.settings,
        journal=parts.journal,
        passwords=Passwords(),
        keys=Keys(parts.database, parts.settings, parts.clock),
    )
