"""Probes of each bus: a bus with its own prefix, its lag, and ways to lose its messages."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final, Protocol

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from redis.asyncio import Redis

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import BUSY_TIMEOUT, PARTITIONS, own_prefix

_STARTING: Final = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
"""Errors of a Kafka that is creating its first group or new topics."""


class BusProbe(Protocol):
    """A bus and its lag."""

    bus: Bus

    async def lag(self, group: str, topics: Collection[str]) -> int:
        """Return the number of events that a group has not acknowledged, including unread ones."""

    async def cut(self, topic: str) -> None:
        """Delete the messages of a topic."""

    async def delete(self, topic: str) -> None:
        """Delete a topic."""

    async def wipe(self, topics: Collection[str]) -> None:
        """Delete everything."""


MakeProbe = Callable[[], BusProbe]


class RedisProbe:
    """A bus on the shared Redis."""

    bus: Bus

    def __init__(self, redis: Redis) -> None:
        self._redis, self._prefix = redis, own_prefix()
        self.bus = RedisBus(redis, self._prefix)

    async def lag(self, group: str, topics: Collection[str]) -> int:
        lag = 0
        for stream in [f"{self._prefix}stream:{topic}" for topic in topics]:
            if not await self._redis.exists(stream):
                continue
            groups = {one["name"].decode(): one for one in await self._redis.xinfo_groups(stream)}
            if group not in groups:
                lag += await self._redis.xlen(stream)
                continue
            behind = await self._redis.xrange(stream, f"({groups[group]['last-delivered-id'].decode()}", "+")
            lag += groups[group]["pending"] + len(behind or [])
        return lag

    async def cut(self, topic: str) -> None:
        await self._redis.xtrim(f"{self._prefix}stream:{topic}", 0, approximate=False)

    async def delete(self, topic: str) -> None:
        await self._redis.delete(f"{self._prefix}stream:{topic}")

    async def wipe(self, topics: Collection[str]) -> None:
        del topics
        await self._redis.flushall()


class KafkaProbe:
    """A bus on the shared Kafka."""

    bus: Bus

    def __init__(self, servers: str) -> None:
        self._servers, self._prefix = servers, own_prefix()
        # For as long as the test: a client that is deleted while it reports a result crashes the process.
        self._admin = AdminClient({"bootstrap.servers": servers})
        self.bus = KafkaBus(Kafka(servers=servers, prefix=self._prefix, partitions=PARTITIONS))

    async def lag(self, group: str, topics: Collection[str]) -> int:
        async with asyncio.timeout(BUSY_TIMEOUT):
            while True:
                try:
                    return await asyncio.to_thread(self._lag, group, topics)
                except KafkaException as error:
                    if error.args[0].code() not in _STARTING:
                        raise
                    await asyncio.sleep(0.05)

    def _lag(self, group: str, topics: Collection[str]) -> int:
        # Reads offsets without joining the group.
        reader = Consumer({"bootstrap.servers": self._servers, "group.id": f"{self._prefix}{group}"})
        try:
            names = {f"{self._prefix}{topic}" for topic in topics}
            known = reader.list_topics(timeout=BUSY_TIMEOUT).topics.items()
            own = [(name, at) for name, topic in known if name in names for at in topic.partitions]
            committed = reader.committed([TopicPartition(*place) for place in own], timeout=BUSY_TIMEOUT)
            ends = reader.offsets_for_times([TopicPartition(*place, OFFSET_END) for place in own], timeout=BUSY_TIMEOUT)
            return sum(at.offset for at in ends) - sum(max(at.offset, 0) for at in committed)
        finally:
            reader.close()

    async def cut(self, topic: str) -> None:
        await asyncio.to_thread(self._cut, f"{self._prefix}{topic}")

    async def delete(self, topic: str) -> None:
        await asyncio.to_thread(self._delete, [f"{self._prefix}{topic}"])

    async def wipe(self, topics: Collection[str]) -> None:
        await asyncio.to_thread(self._delete, [f"{self._prefix}{topic}" for topic in topics])

    def _cut(self, name: str) -> None:
        partitions = self._admin.list_topics(name, timeout=BUSY_TIMEOUT).topics[name].partitions
        ends = [TopicPartition(name, partition, OFFSET_END) for partition in partitions]
        for result in self._admin.delete_records(ends).values():
            result.result(BUSY_TIMEOUT)

    def _delete(self, names: list[str]) -> None:
        for result in self._admin.delete_topics(names).values():
            result.result(BUSY_TIMEOUT)
        while self._admin.list_topics(timeout=BUSY_TIMEOUT).topics.keys() & set(names):
            time.sleep(0.05)
