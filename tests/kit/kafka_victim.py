"""Takes a batch from a Kafka, says so, and holds it until it is killed."""

import asyncio
import sys

from nextbuy.kit.bus_kafka import KafkaBus
from nextbuy.kit.config import Kafka


async def main() -> None:
    servers, prefix = sys.argv[1:]
    subscription = KafkaBus(Kafka(servers=servers), prefix).subscribe("g", ["t"], most=4)
    async for batch in subscription.batches():
        print(len(batch.deliveries), flush=True)  # noqa: T201  the test waits for this line
        await asyncio.Event().wait()


asyncio.run(main())
