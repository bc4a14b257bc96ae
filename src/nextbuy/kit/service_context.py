"""The argument of `deps.assemble`: the shared parts from which a service builds its `Deps`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from nextbuy.contracts.message import Send
from nextbuy.kit.clock import Clock
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database


class Destination(Struct, frozen=True):
    """A service that subscribes to events, with the names of its subscriptions by topic."""

    name: str
    topics: Mapping[str, Sequence[str]]


class Publisher(Struct, frozen=True):
    """A service that publishes events, with its topics."""

    name: str
    topics: Sequence[str]


def publisher_by_topic(publishers: Sequence[Publisher]) -> dict[str, str]:
    """Return the name of the only service that publishes each topic."""
    return {topic: publisher.name for publisher in publishers for topic in publisher.topics}


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """The shared parts for one service in one process."""

    send: Send
    deliver: Send
    """Delivers events: its own breaker admits one attempt a second, and only failed calls are recorded."""
    settings: Settings
    journal: Journal
    clock: Clock
    database: Database
    cache: SharedCache
    """The values of this service in the shared cache."""
    bus: Bus
    destinations: Sequence[Destination]
    """All services that subscribe to events; the kafka service delivers to them."""
    publishers: Sequence[Publisher]
    """All services that publish events; the kafka service compares their event logs with inboxes."""
