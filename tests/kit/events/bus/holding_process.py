"""A process that takes a batch from a bus, prints its size, and holds it until it is killed.

Usage: `holding_process.py redis|kafka URL PREFIX`.
"""

import asyncio
import sys

from redis.asyncio import Redis

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus


async def main() -> None:
    kind, url, prefix = sys.argv[1:]
    bus: Bus = KafkaBus(Kafka(servers=url, prefix=prefix)) if kind == "kafka" else RedisBus(Redis.from_url(url), prefix)
    async for batch in bus.subscribe("g", ["t"], batch_size=4).batches():
        print(len(batch.deliveries), flush=True)  # noqa: T201  the test waits for this line
        await asyncio.Event().wait()


asyncio.run(main())
