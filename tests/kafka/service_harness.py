"""The consumer of the kafka service on a real bus and a real database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from nextbuy.contracts.message import Send
from nextbuy.kafka.service import SERVICE
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from tests.kafka.bus_probe import GROUP, BusProbe, RedisProbe
from tests.kafka.sample_deps import sample_deps

_BATCH_SIZE = 500


class ServiceHarness:
    """A kafka service that consumes from its own bus; `send` carries its calls."""

    def __init__(
        self, database: Database, redis: Redis, send: Send, journal: Journal, probe: BusProbe | None = None
    ) -> None:
        self.database, self.journal = database, journal
        self.probe = probe or RedisProbe(redis)
        self.bus = self.probe.bus
        self.deps = sample_deps(database, redis, send)

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[Consumer]:
        """Consume and replay until the context ends."""
        consumer = Consumer(SERVICE, self.deps, self.database, self.bus, self.journal, group=GROUP)
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.replayer.run())]
        try:
            yield consumer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.bus.close()

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        """Publish messages in this order."""
        for start in range(0, len(messages), _BATCH_SIZE):
            await self.bus.publish(messages[start : start + _BATCH_SIZE])

    async def is_done(self) -> bool:
        """Return whether every published event is acknowledged."""
        return await self.probe.lag() == 0

    async def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(await self.database.fetchval(f"SELECT count(*) FROM {table}"))
