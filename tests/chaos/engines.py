"""Engines that outlive the marketplace: each can be killed, frozen and restarted."""

import asyncio
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import psutil
from confluent_kafka import Consumer, TopicPartition
from redis.asyncio import Redis as RedisClient

from nextbuy.embedded import Engine, launch_postgres, launch_redis, start_postgres, start_redis
from nextbuy.host.composition import destinations
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.chaos.losses import KafkaLosses, Losses, RedisLosses
from tests.kafka_broker import KafkaBroker

GROUPS: Final = tuple(one.name for one in destinations())
"""The consumer group of each destination."""
_TIMEOUT: Final = 10.0


class OwnPostgres:
    """PostgreSQL on a marketplace's data, with full durability."""

    def __init__(self, data: Path) -> None:
        """Start the server; call from the main thread."""
        self._data = data
        self._running: Engine = start_postgres(data)
        self.url = self._running.url

    async def kill(self) -> None:
        """Kill the server and all its processes; unwritten state is lost."""
        server = psutil.Process(self._running.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(self._running.stop)

    async def restart(self) -> None:
        """Restart and wait until recovery is done."""
        self._running = await asyncio.to_thread(launch_postgres(self._data).wait)

    def stop(self) -> None:
        """Shut down cleanly."""
        self._running.stop()


class Broker(Protocol):
    """A server that carries the events."""

    settings: dict[str, str]
    """The settings that select it."""
    losses: Losses

    async def kill(self) -> None:
        """Kill the process (SIGKILL)."""

    async def restart(self) -> None:
        """Restart on the same data and port."""

    def freeze(self) -> None:
        """Pause the process (SIGSTOP)."""

    def thaw(self) -> None:
        """Resume the process (SIGCONT)."""

    def bus(self) -> Bus:
        """Return a bus on this server."""

    async def backlog(self) -> int:
        """Return how many events, or topics with events, no destination has applied yet."""


class OwnRedis:
    """Redis on a marketplace's data, as its event bus."""

    def __init__(self, data: Path) -> None:
        """Start the server; call from the main thread."""
        self._data = data
        self._running: Engine = start_redis(data)
        self.settings = {"NEXTBUY_REDIS_URL": self._running.url}
        self.losses: Losses = RedisLosses(self._running.url)

    async def kill(self) -> None:
        os.kill(self._running.pid, signal.SIGKILL)
        await asyncio.to_thread(self._running.stop)

    async def restart(self) -> None:
        self._running = await asyncio.to_thread(launch_redis(self._data).wait)

    def freeze(self) -> None:
        os.kill(self._running.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._running.pid, signal.SIGCONT)

    def bus(self) -> Bus:
        return RedisBus(RedisClient.from_url(self._running.url))

    async def backlog(self) -> int:
        async with RedisClient.from_url(self._running.url, decode_responses=True) as client:
            left = 0
            async for stream in client.scan_iter("nextbuy:stream:*"):
                last = (await client.xinfo_stream(stream))["last-generated-id"]
                groups = {group["name"]: group for group in await client.xinfo_groups(stream)}
                for name in groups.keys() & {*GROUPS}:
                    left += groups[name]["pending"] or groups[name]["last-delivered-id"] != last
            return left

    def stop(self) -> None:
        """Shut down cleanly."""
        self._running.stop()


class OwnKafka:
    """Kafka as a marketplace's event bus."""

    def __init__(self, broker: KafkaBroker) -> None:
        """Use a broker that already runs."""
        self._broker = broker
        self.settings = {"NEXTBUY_KAFKA_SERVERS": broker.servers}
        self.losses: Losses = KafkaLosses(broker)

    async def kill(self) -> None:
        await asyncio.to_thread(self._broker.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._broker.restart)

    def freeze(self) -> None:
        self._broker.freeze()

    def thaw(self) -> None:
        self._broker.thaw()

    def bus(self) -> Bus:
        return KafkaBus(Kafka(servers=self._broker.servers))

    async def backlog(self) -> int:
        return await asyncio.to_thread(self._behind)

    def _behind(self) -> int:
        return sum(self._group_behind(one.name, one.topics) for one in destinations())

    def _group_behind(self, group: str, subscribed: Collection[str]) -> int:
        client = Consumer({"bootstrap.servers": self._broker.servers, "group.id": f"{Kafka().prefix}{group}"})
        try:
            topics = client.list_topics(timeout=_TIMEOUT).topics
            places = [
                TopicPartition(name, number)
                for name, topic in topics.items()
                if name.removeprefix(Kafka().prefix) in subscribed
                for number in topic.partitions
            ]
            left = 0
            for done in client.committed(places, timeout=_TIMEOUT):
                first, end = client.get_watermark_offsets(done, timeout=_TIMEOUT) or (0, 0)
                left += end - max(done.offset, first)
            return left
        finally:
            client.close()
