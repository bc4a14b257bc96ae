"""The bus on Redis Streams: one stream per topic, with one owner per consumer group and topic at a time.

Publishing sends a hint over pub/sub, so that consumers need not look. How they take messages is in
`redis_subscription.py`. A group that lags behind `MAX_STREAM_LENGTH` or `RETENTION_DAYS` loses messages; the event logs
still have them.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from redis.asyncio import Redis

from nextbuy.contracts.status import Backlog
from nextbuy.kit.config import REDIS_PREFIX
from nextbuy.kit.events.bus.interface import RETENTION_DAYS, BusMessage, Risk, TopicEnd, TopicRefused
from nextbuy.kit.events.bus.redis_backlog import read_backlogs
from nextbuy.kit.events.bus.redis_connection import TIMEOUT, hint_channel, own_client, stream_of
from nextbuy.kit.events.bus.redis_failures import UNAVAILABLE, publish_failure, report
from nextbuy.kit.events.bus.redis_offsets import RedisOffsets
from nextbuy.kit.events.bus.redis_risks import claim_prefix, redis_risks
from nextbuy.kit.events.bus.redis_subscription import RedisSubscription

MAX_STREAM_LENGTH: Final = 1_000_000
"""Messages per stream, roughly: a bound on Redis's memory that no healthy consumer reaches."""
TRIM_INTERVAL: Final = 60.0
"""Seconds between deletions of a stream's messages that are older than `RETENTION_DAYS`."""

# KEYS: streams, the ones to trim first. ARGV: length, channel, topics, number of streams to trim, then triples of the
# index of a stream, a message, and its position.
_PUBLISH: Final = f"""
for i = 5, #ARGV, 3 do
  redis.call(
    'XADD', KEYS[tonumber(ARGV[i])], 'MAXLEN', '~', ARGV[1], '*', 'event', ARGV[i + 1], 'position', ARGV[i + 2]
  )
end
-- Not before: once a script has written, Redis lets it exceed maxmemory.
if tonumber(ARGV[4]) > 0 then
  local oldest = string.format('%d', (redis.call('TIME')[1] - {RETENTION_DAYS * 24 * 3600}) * 1000)
  for i = 1, tonumber(ARGV[4]) do redis.call('XTRIM', KEYS[i], 'MINID', oldest) end
end
redis.pcall('PUBLISH', ARGV[2], ARGV[3])
"""


class RedisBus:
    """A bus on a Redis that may be shared: all its keys begin with `prefix`."""

    carrier = "Redis Streams"

    def __init__(self, client: Redis, prefix: str = REDIS_PREFIX) -> None:
        self._shared_client = client
        self._prefix = prefix
        self._client = own_client(client)
        self._offsets = RedisOffsets(self._client, prefix, timeout=TIMEOUT)
        self._run_publish = self._client.register_script(_PUBLISH)
        self._trimmed: dict[str, float] = {}
        """By topic: when its stream was trimmed (monotonic seconds)."""

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        """Store messages, in this order: all of them or none."""
        if not messages:
            return
        try:
            await self._store(messages)
        except TopicRefused as error:
            if len(error.topics) == 1:
                raise
            refused = {topic for topic in error.topics if not await self._accepts(topic, messages)}
            if refused:
                raise TopicRefused(str(error), refused) from error

    async def _accepts(self, topic: str, messages: Sequence[BusMessage]) -> bool:
        """Store the messages of one topic; return false if Redis refuses the topic."""
        try:
            await self._store([message for message in messages if message.topic == topic])
        except TopicRefused:
            return False
        return True

    async def _store(self, messages: Sequence[BusMessage]) -> None:
        now = time.monotonic()
        due = {m.topic: now - self._trimmed.get(m.topic, -TRIM_INTERVAL) >= TRIM_INTERVAL for m in messages}
        topics = sorted(due, key=lambda topic: not due[topic])
        streams = {topic: index for index, topic in enumerate(topics, 1)}
        keys = [stream_of(self._prefix, topic) for topic in topics]
        values: list[str | bytes | int] = [MAX_STREAM_LENGTH, hint_channel(self._prefix), " ".join(topics)]
        values.append(sum(due.values()))
        for message in messages:
            values += (streams[message.topic], message.body, message.position)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._run_publish(keys, values)
        except UNAVAILABLE as error:
            raise await publish_failure(self._client, error, messages) from error
        self._trimmed |= {topic: now for topic in topics if due[topic]}

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> RedisSubscription:
        """Join a group; topics of another member are taken over when it releases them or its lease expires."""
        return RedisSubscription(self._shared_client, self._prefix, group, topics, batch_size)

    async def backlogs(self, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
        """Return the backlog of each group."""
        return await report(read_backlogs(self._client, self._prefix, groups), TIMEOUT)

    async def risks(self, topics: Sequence[str]) -> list[Risk]:  # noqa: ARG002  Redis has no settings per topic
        """Return what may lose events, from Redis's own report of its state."""
        return await report(redis_risks(self._client), TIMEOUT)

    async def claim_prefix(self, fingerprint: str) -> list[Risk]:
        """Compare the marker in a key of its own with `fingerprint`; store it if it is missing."""
        return await report(claim_prefix(self._client, self._prefix, fingerprint), TIMEOUT)

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return the id of the last entry of each stream as one number, in partition 0."""
        return await self._offsets.ends(topics)

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return for each stream whether nothing up to its end is pending or not delivered yet."""
        return await self._offsets.has_passed(group, ends)

    async def close(self) -> None:
        """Close our connections; the shared client stays open."""
        await self._client.aclose()
