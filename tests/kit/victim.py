"""A process that is killed, as by `kill -9`, at the worst moment: `victim.py relay|consumer DATABASE_URL REDIS_URL`."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from redis.asyncio import Redis

from nextbuy.kit.events import relay as outbox_relay
from nextbuy.kit.events.bus import redis as bus_redis
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus, RedisSubscription
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service, on_batch
from nextbuy.kit.storage.database import Database
from tests.kit.shop import Counted, note_all


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyBus(RedisBus):
    """Kills after the engine has stored what was published."""

    async def publish(self, packets: Sequence[BusMessage]) -> None:
        await super().publish(packets)
        die()


class DeadlySubscription(RedisSubscription):
    """Kills before the engine is told that something is done."""

    async def acknowledge(self, stream: str, positions: Sequence[str]) -> None:  # noqa: ARG002
        die()


async def main(role: str, database_url: str, redis_url: str) -> None:
    # So that nobody has to wait long for what the dead one held.
    outbox_relay.LEASE = 0.5  # type: ignore[misc]
    bus_redis.LEASE = 2.0  # type: ignore[misc]
    bus_redis.RedisSubscription = DeadlySubscription  # type: ignore[misc]
    database = await Database.connect(database_url, role)
    bus = DeadlyBus(Redis.from_url(redis_url))
    journal = Journal()
    if role == "relay":
        await Relay(database, bus, journal).run()
    service = Service(name="desk", deps=object, listens=[on_batch("note-all", [Counted], note_all)])
    await Consumer(service, None, database, bus, journal, group="desk").run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
