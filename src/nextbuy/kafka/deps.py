"""The dependencies of kafka."""

from collections.abc import Sequence
from dataclasses import dataclass

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.comparison import ComparisonClient
from nextbuy.contracts.delivery import DeliveryClient
from nextbuy.contracts.parking import ParkingClient
from nextbuy.kafka.late_delivery import LateDelivery
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.service_context import Destination, Publisher, ServiceContext
from nextbuy.kit.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Deps:
    """The bus, clients of the services that publish or subscribe, and the database."""

    auth: AuthClient
    delivery: DeliveryClient
    comparison: ComparisonClient
    destinations: Sequence[Destination]
    parking: ParkingClient
    publishers: Sequence[Publisher]
    late: LateDelivery
    bus: Bus
    database: Database
    settings: Settings


def assemble(context: ServiceContext) -> Deps:
    """Build the dependencies of kafka from the context of its process."""
    return Deps(
        auth=AuthClient(context.send),
        delivery=DeliveryClient(context.deliver),
        comparison=ComparisonClient(context.send),
        destinations=context.destinations,
        parking=ParkingClient(context.send),
        publishers=context.publishers,
        late=LateDelivery(),
        bus=context.bus,
        database=context.database,
        settings=context.settings,
    )
