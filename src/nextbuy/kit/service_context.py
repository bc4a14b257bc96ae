"""The argument of `deps.assemble`: the shared parts from which a service builds its `Deps`."""

from dataclasses import dataclass

from nextbuy.contracts.message import Send
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """The shared parts for one service in one process."""

    send: Send
    settings: Settings
    journal: Journal
    clock: Clock
    interactions: Interactions
    database: Database
