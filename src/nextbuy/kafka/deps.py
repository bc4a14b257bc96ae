"""The dependencies of kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.delivery import DeliveryClient
from nextbuy.contracts.parking import ParkingClient
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.service_context import Destination, ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The bus, the services that publish and subscribe, and what the endpoints of operators need."""

    auth: AuthClient
    delivery: DeliveryClient
    destinations: Sequence[Destination]
    parking: ParkingClient
    publishers: Sequence[str]
    bus: Bus
    database: Database
    interactions: Interactions


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of kafka from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        delivery=DeliveryClient(context.deliver),
        destinations=context.destinations,
        parking=ParkingClient(context.send),
        publishers=context.publishers,
        bus=context.bus,
        database=context.database,
        interactions=context.interactions,
    )
