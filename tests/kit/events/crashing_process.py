"""A relay or consumer that kills itself before it can store what it did.

Usage: `crashing_process.py relay|consumer DATABASE_URL REDIS_URL`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from redis.asyncio import Redis

from nextbuy.kit.events import relay
from nextbuy.kit.events.bus import redis as redis_bus
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus, RedisSubscription
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import RECORD_EFFECTS


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingBus(RedisBus):
    """A bus that kills the process once Redis has stored the messages."""

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        await super().publish(messages)
        kill_process()


class CrashingSubscription(RedisSubscription):
    """A subscription that kills the process before it acknowledges."""

    async def acknowledge(self, stream: str, positions: Sequence[str]) -> None:  # noqa: ARG002
        kill_process()


async def main(role: str, database_url: str, redis_url: str) -> None:
    # Short leases, so that the leases of the killed process expire soon.
    relay._LEASE_BUCKETS = relay._LEASE_BUCKETS.replace("15 seconds", "0.5 seconds")  # type: ignore[misc]
    redis_bus.LEASE = 2.0  # type: ignore[misc]
    redis_bus.RedisSubscription = CrashingSubscription  # type: ignore[misc]
    database = await Database.connect(database_url, role)
    bus = CrashingBus(Redis.from_url(redis_url))
    journal = Journal()
    if role == "relay":
        await relay.Relay(database, bus, journal).run()
    service = Service(name="sample", deps=object, listens=[RECORD_EFFECTS])
    await Consumer(service, None, database, bus, journal, group="sample").run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
