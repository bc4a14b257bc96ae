"""Probes of each bus: a bus with its own prefix, and the number of events that a group has not acknowledged."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from redis.asyncio import Redis

from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from tests.kafka_broker import PARTITIONS, own_prefix

_TIMEOUT: Final = 15.0
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
        """Return the number of events that a group has not acknowledged, including those that it has not read."""


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


class KafkaProbe:
    """A bus on the shared Kafka."""

    bus: Bus

    def __init__(self, servers: str) -> None:
        self._servers, self._prefix = servers, own_prefix()
        self.bus = KafkaBus(Kafka(servers=servers, prefix=self._prefix, partitions=PARTITIONS))

    async def lag(self, group: str, topics: Collection[str]) -> int:
        async with asyncio.timeout(_TIMEOUT):
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
            known = reader.list_topics(timeout=_TIMEOUT).topics.items()
            own = [(name, at) for name, topic in known if name in names for at in topic.partitions]
            committed = reader.committed([TopicPartition(*place) for place in own], timeout=_TIMEOUT)
            ends = reader.offsets_for_times([TopicPartition(*place, OFFSET_END) for place in own], timeout=_TIMEOUT)
            return sum(at.offset for at in ends) - sum(max(at.offset, 0) for at in committed)
        finally:
            reader.close()
