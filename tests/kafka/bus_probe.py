"""Probes of each bus: a bus with its own prefix, and the number of unacknowledged events on it."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from redis.asyncio import Redis

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import PARTITIONS, own_prefix

GROUP: Final = "kafka"
_TIMEOUT: Final = 15.0
_STARTING: Final = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""Errors of a Kafka that is creating its first group."""


class BusProbe(Protocol):
    """A bus and its lag."""

    bus: Bus

    async def lag(self) -> int:
        """Return the number of unacknowledged events, including all events of topics that no group has read yet."""


MakeProbe = Callable[[], BusProbe]


class RedisProbe:
    """A bus on the shared Redis."""

    bus: Bus

    def __init__(self, redis: Redis) -> None:
        self._redis, self._prefix = redis, own_prefix()
        self.bus = RedisBus(redis, self._prefix)

    async def lag(self) -> int:
        lag = 0
        for stream in await self._redis.keys(f"{self._prefix}stream:*"):
            groups = await self._redis.xinfo_groups(stream)
            lag += 0 if groups else await self._redis.xlen(stream)
            for group in groups:
                behind = await self._redis.xrange(stream, f"({group['last-delivered-id'].decode()}", "+")
                lag += group["pending"] + len(behind or [])
        return lag


class KafkaProbe:
    """A bus on the shared Kafka."""

    bus: Bus

    def __init__(self, servers: str) -> None:
        self._servers, self._prefix = servers, own_prefix()
        self.bus = KafkaBus(Kafka(servers=servers, prefix=self._prefix, partitions=PARTITIONS))

    async def lag(self) -> int:
        async with asyncio.timeout(_TIMEOUT):
            while True:
                try:
                    return await asyncio.to_thread(self._lag)
                except KafkaException as error:
                    if error.args[0].code() not in _STARTING:
                        raise
                    await asyncio.sleep(0.05)

    def _lag(self) -> int:
        # Reads offsets without joining the group.
        reader = Consumer({"bootstrap.servers": self._servers, "group.id": f"{self._prefix}{GROUP}"})
        try:
            topics = reader.list_topics(timeout=_TIMEOUT).topics.items()
            own = [(name, at) for name, topic in topics if name.startswith(self._prefix) for at in topic.partitions]
            committed = reader.committed([TopicPartition(*place) for place in own], timeout=_TIMEOUT)
            ends = reader.offsets_for_times([TopicPartition(*place, OFFSET_END) for place in own], timeout=_TIMEOUT)
            return sum(at.offset for at in ends) - sum(max(at.offset, 0) for at in committed)
        finally:
            reader.close()
