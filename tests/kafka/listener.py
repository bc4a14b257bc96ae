"""The kafka service's consumer on a real bus and a real database, with whatever carries its calls."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.message import Send
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.service import SERVICE
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.kafka.bus_probe import GROUP, RedisWire, Wire

_AT_A_TIME = 500


class Listener:
    """One kafka service, as far as it listens, on a wire of its own."""

    def __init__(
        self, database: Database, redis: Redis, send: Send, journal: Journal, wire: Wire | None = None
    ) -> None:
        self.database, self.journal = database, journal
        self.wire = wire or RedisWire(redis)
        self.bus = self.wire.bus
        self.deps = Deps(
            auth=AuthClient(send),
            admin=AdminClient(send),
            product=ProductClient(send),
            seller=SellerClient(send),
            order=OrderClient(send),
            database=database,
            interactions=Interactions(redis),
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Consumer]:
        """Consume and replay for as long as the context lasts."""
        consumer = Consumer(SERVICE, self.deps, self.database, self.bus, self.journal, group=GROUP)
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.replayer.run())]
        try:
            yield consumer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.bus.close()

    async def publish(self, packets: Sequence[BusMessage]) -> None:
        """Put packets on the bus, in this order."""
        for start in range(0, len(packets), _AT_A_TIME):
            await self.bus.publish(packets[start : start + _AT_A_TIME])

    async def lag(self) -> int:
        """How many events are not done with, delivered or not."""
        return await self.wire.lag()

    async def count(self, what: str) -> int:
        """How many rows there are of it."""
        return int(await self.database.fetchval(f"SELECT count(*) FROM {what}"))
