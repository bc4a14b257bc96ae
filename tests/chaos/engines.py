"""Engines that do not end with the marketplace which runs on them: each may be killed, frozen and started again."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import psutil
from confluent_kafka import Consumer, TopicPartition
from redis.asyncio import Redis as RedisClient

from nextbuy.embedded.postgres import Postgres, launch_postgres, start_postgres
from nextbuy.embedded.redis import Redis, launch_redis, start_redis
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import KafkaBroker

GROUP: Final = "kafka"
"""The group in which the kafka service reads."""
_TIMEOUT: Final = 10.0


class OwnPostgres:
    """PostgreSQL on a marketplace's data, as durable as it comes: what it has confirmed is on the disk."""

    def __init__(self, data: Path) -> None:
        """Start it, from the main thread."""
        self._data = data
        self._running: Postgres = start_postgres(data)
        self.url = self._running.url

    async def kill(self) -> None:
        """`kill -9` of the server and of every process of its: what only they knew is gone."""
        server = psutil.Process(self._running.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(self._running.stop)

    async def restart(self) -> None:
        """Start it again and wait until it has recovered."""
        self._running = await asyncio.to_thread(launch_postgres(self._data).wait)

    def stop(self) -> None:
        """Stop it in order."""
        self._running.stop()


class Broker(Protocol):
    """What carries the events."""

    settings: dict[str, str]
    """How a marketplace is told of it."""

    async def kill(self) -> None:
        """`kill -9`."""

    async def restart(self) -> None:
        """Start it again on the same data and at the same address."""

    def freeze(self) -> None:
        """Have it stand still."""

    def thaw(self) -> None:
        """Have it go on."""

    def bus(self) -> Bus:
        """A bus on it, the marketplace's own."""

    async def behind(self) -> int:
        """How many events, or topics with events, the kafka service is not done with."""


class OwnRedis:
    """Redis on a marketplace's data, which carries its events where there is no Kafka."""

    def __init__(self, data: Path) -> None:
        """Start it, from the main thread."""
        self._data = data
        self._running: Redis = start_redis(data)
        self.settings = {"NEXTBUY_REDIS_URL": self._running.url}

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

    async def behind(self) -> int:
        async with RedisClient.from_url(self._running.url, decode_responses=True) as client:
            left = 0
            async for stream in client.scan_iter("nextbuy:stream:*"):
                last = (await client.xinfo_stream(stream))["last-generated-id"]
                groups = {group["name"]: group for group in await client.xinfo_groups(stream)}
                if GROUP in groups:
                    left += groups[GROUP]["pending"] or groups[GROUP]["last-delivered-id"] != last
            return left

    def stop(self) -> None:
        """Stop it in order."""
        self._running.stop()


class OwnKafka:
    """A Kafka that carries a marketplace's events."""

    def __init__(self, broker: KafkaBroker) -> None:
        """Use one that runs, for as long as it does."""
        self._broker = broker
        self.settings = {"NEXTBUY_KAFKA_SERVERS": broker.servers}

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

    async def behind(self) -> int:
        return await asyncio.to_thread(self._behind)

    def _behind(self) -> int:
        client = Consumer({"bootstrap.servers": self._broker.servers, "group.id": f"{Kafka().prefix}{GROUP}"})
        try:
            topics = client.list_topics(timeout=_TIMEOUT).topics
            places = [
                TopicPartition(name, number)
                for name, topic in topics.items()
                if name.startswith(Kafka().prefix)
                for number in topic.partitions
            ]
            left = 0
            for done in client.committed(places, timeout=_TIMEOUT):
                first, end = client.get_watermark_offsets(done, timeout=_TIMEOUT) or (0, 0)
                left += end - max(done.offset, first)
            return left
        finally:
            client.close()
