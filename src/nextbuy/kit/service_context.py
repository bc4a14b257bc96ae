"""What the host hands to a service's `deps.assemble`: everything that a service may need and does not make itself."""

from dataclasses import dataclass

from nextbuy.contracts.message import Send
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True)
class ServiceContext:
    """The parts of one service in one process; `database` is None for a service that stores nothing."""

    send: Send
    settings: Settings
    journal: Journal
    clock: Clock
    interactions: Interactions
    database_or_none: Database | None

    @property
    def database(self) -> Database:
        """The service's database.

        Raises:
            RuntimeError: the service declares that it stores nothing.
        """
        if self.database_or_none is None:
            message = "this service declares `has_database=False`, and has no database"
            raise RuntimeError(message)
        return self.database_or_none
