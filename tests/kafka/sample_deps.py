"""Dependencies of the kafka service for tests."""

from collections.abc import Sequence

from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.comparison import ComparisonClient
from nextbuy.contracts.delivery import DeliveryClient
from nextbuy.contracts.message import Send
from nextbuy.contracts.parking import ParkingClient
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.late_delivery import LateDelivery
from nextbuy.kit.config import Settings
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.service_context import Destination, Publisher
from nextbuy.kit.storage.database import Database


def sample_deps(
    database: Database,
    send: Send,
    bus: Bus,
    destinations: Sequence[Destination],
    publishers: Sequence[Publisher] = (),
) -> Deps:
    """Return dependencies whose calls are sent by `send`."""
    return Deps(
        auth=AuthClient(send),
        delivery=DeliveryClient(send),
        comparison=ComparisonClient(send),
        destinations=destinations,
        parking=ParkingClient(send),
        publishers=publishers,
        late=LateDelivery(),
        bus=bus,
        database=database,
        settings=Settings(secret=b"the secret of the sample"),
    )
