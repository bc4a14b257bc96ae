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
from nextbuy.kit.bus import Packet
from nextbuy.kit.bus_redis import RedisBus
from nextbuy.kit.consumer import Consumer
from nextbuy.kit.database import Database
from nextbuy.kit.interactions import Interactions
from nextbuy.kit.telemetry import Journal

_AT_A_TIME = 500


class Listener:
    """One kafka service, as far as it listens; `name` keeps its streams apart from another's."""

    def __init__(self, database: Database, redis: Redis, send: Send, journal: Journal, name: str = "nextbuy") -> None:
        self.database, self.redis, self.journal, self.prefix = database, redis, journal, f"{name}:"
        self.bus = RedisBus(redis, self.prefix)
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
        consumer = Consumer(SERVICE, self.deps, self.database, self.bus, self.journal, group="kafka")
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.replayer.run())]
        try:
            yield consumer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.bus.close()

    async def publish(self, packets: Sequence[Packet]) -> None:
        """Put packets on the bus, in this order."""
        for start in range(0, len(packets), _AT_A_TIME):
            await self.bus.publish(packets[start : start + _AT_A_TIME])

    async def lag(self) -> int:
        """How many events are not done with, delivered or not."""
        waiting = 0
        for stream in await self.redis.keys(f"{self.prefix}stream:*"):
            for group in await self.redis.xinfo_groups(stream):
                behind = await self.redis.xrange(stream, f"({group['last-delivered-id'].decode()}", "+")
                waiting += group["pending"] + len(behind or [])
        return waiting

    async def count(self, what: str) -> int:
        """How many rows there are of it."""
        return int(await self.database.fetchval(f"SELECT count(*) FROM {what}"))
