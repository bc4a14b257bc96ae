"""Losses of event buses whose engines answer again at once: what was stored is gone, and publishers continue.

`ways` are the losses by name. `stored` reads the ids of all events on a bus without changing it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol
from uuid import UUID

import msgspec
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from redis.asyncio import Redis

from nextbuy.contracts.message import Envelope
from nextbuy.contracts.order import OrderCreated
from nextbuy.kit.config import REDIS_PREFIX, Kafka
from nextbuy.kit.events.bus.cloud_event import NAMES
from nextbuy.kit.events.bus.kafka_connection import OutageLog, client_settings
from nextbuy.kit.events.bus.redis_connection import stream_of
from tests.kafka_broker import KafkaBroker

DELETED: Final = OrderCreated.topic
"""The topic that is deleted alone."""
_EVICTED: Final = 1 / 3
"""Fraction of the streams that Redis evicts before it gets enough memory again."""
_STEP: Final = 65_536
"""Bytes by which its memory is too small at a time."""
_TIMEOUT: Final = 10.0

Place = tuple[str, int]
"""A topic, by its name on the broker, and a partition."""
Loss = Callable[[], Awaitable[None]]


class Losses(Protocol):
    """The ways in which an engine loses events."""

    ways: Mapping[str, Loss]

    async def stored(self) -> set[UUID]:
        """Return the ids of all events that are stored."""


class RedisLosses:
    """Losses of Redis Streams."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.ways: Mapping[str, Loss] = {
            "streams are cut": self._cut,
            "streams are evicted": self._evict,
            "one stream is deleted": self._delete,
            "everything is wiped": self._wipe,
        }

    async def stored(self) -> set[UUID]:
        async with self._client() as client:
            return {
                msgspec.json.decode((fields or {})[b"event"], type=Envelope).id
                for stream in await self._streams(client)
                for _, fields in await client.xrange(stream) or ()
            }

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Redis]:
        async with Redis.from_url(self._url) as client:
            yield client

    async def _streams(self, client: Redis) -> set[bytes]:
        return {stream async for stream in client.scan_iter(stream_of(REDIS_PREFIX, "*"))}

    async def _cut(self) -> None:
        async with self._client() as client:
            for stream in await self._streams(client):
                await client.xtrim(stream, 0, approximate=False)

    async def _evict(self) -> None:
        """Have Redis evict keys, as it does with too little memory and another policy than `noeviction`."""
        async with self._client() as client:
            before = await self._streams(client)
            await client.config_set("maxmemory-policy", "allkeys-random")
            while len(before - await self._streams(client)) < len(before) * _EVICTED:
                await client.config_set("maxmemory", int((await client.info("memory"))["used_memory"]) - _STEP)
            await client.config_set("maxmemory", 0)
            await client.config_set("maxmemory-policy", "noeviction")

    async def _delete(self) -> None:
        async with self._client() as client:
            assert await client.delete(stream_of(REDIS_PREFIX, DELETED)) == 1

    async def _wipe(self) -> None:
        async with self._client() as client:
            await client.flushall()


class KafkaLosses:
    """Losses of Kafka topics."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker
        self._prefix = Kafka().prefix
        # For as long as the marketplace: a client that is deleted while it reports a result crashes the process.
        self._settings = client_settings(Kafka(servers=broker.servers), "losses", OutageLog("the test"))
        self._admin = AdminClient(self._settings)
        # The process that reads a topic is killed after the topic is deleted. If it continued, it would keep its
        # position and might skip as many events of the new topic, which the comparison would deliver and report.
        self.ways: Mapping[str, Loss] = {
            "one topic is deleted": self._delete_one,
            "topics are cut": self._cut,
            "all topics are deleted": self._delete_all,
            "everything is wiped": self._wipe,
        }

    async def stored(self) -> set[UUID]:
        return await asyncio.to_thread(self._stored)

    def _stored(self) -> set[UUID]:
        reader = Consumer(
            {"bootstrap.servers": self._broker.servers, "group.id": "losses", "enable.auto.commit": False}
        )
        try:
            found: set[UUID] = set()
            unread: dict[Place, int] = {}
            for place in self._places():
                first, end = reader.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT) or (0, 0)
                if first < end:
                    unread[place] = end
            reader.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in unread])
            while unread:
                for message in reader.consume(1_000, 0.2):
                    place = (message.topic() or "", message.partition() or 0)
                    headers = dict(message.headers() or [])
                    found.add(UUID(_text(headers[NAMES["id"]])))
                    if (message.offset() or 0) + 1 >= unread.get(place, 0):
                        unread.pop(place, None)
            return found
        finally:
            reader.close()

    def _places(self) -> list[Place]:
        known = self._admin.list_topics(timeout=_TIMEOUT).topics
        names = [name for name in known if name.startswith(self._prefix) and name != f"{self._prefix}marketplace"]
        return [(name, at) for name in names for at in known[name].partitions]

    async def _cut(self) -> None:
        ends = [TopicPartition(*place, OFFSET_END) for place in await asyncio.to_thread(self._places)]
        for result in self._admin.delete_records(ends).values():
            await asyncio.to_thread(result.result, _TIMEOUT)

    async def _delete_one(self) -> None:
        await self._delete({self._prefix + DELETED})

    async def _delete_all(self) -> None:
        await self._delete({name for name, _ in await asyncio.to_thread(self._places)})

    async def _delete(self, names: set[str]) -> None:
        for result in self._admin.delete_topics(sorted(names)).values():
            await asyncio.to_thread(result.result, _TIMEOUT)

    async def _wipe(self) -> None:
        """Delete the data folder: the broker restarts without topics, groups and offsets."""
        self._broker.kill()
        self._broker.wipe()
        await asyncio.to_thread(self._broker.restart)


def _text(header: str | bytes | None) -> str:
    return header if isinstance(header, str) else (header or b"").decode()
