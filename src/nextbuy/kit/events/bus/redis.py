"""The bus on Redis Streams: one stream per topic, with one owner per consumer group and topic at a time.

Ownership is a lease, and **one script both checks it and takes messages**: an owner that slept through its lease takes
nothing from its successor. Publishing sends a hint over pub/sub; a poll every `POLL_INTERVAL` covers a lost one.
All owners of a group share a consumer name, so unacknowledged messages come again first, in order.
A group that lags behind `MAX_STREAM_LENGTH` or `RETENTION_DAYS` loses messages; the event logs still have them.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nextbuy.contracts.status import Backlog
from nextbuy.kit.config import REDIS_PREFIX
from nextbuy.kit.events.bus.interface import (
    MAX_BATCH_BYTES,
    RETENTION_DAYS,
    Batch,
    BusMessage,
    BusUnavailable,
    Delivery,
    Risk,
    TopicEnd,
    TopicRefused,
    parse_position,
)
from nextbuy.kit.events.bus.redis_backlog import read_backlogs
from nextbuy.kit.events.bus.redis_connection import own_client
from nextbuy.kit.events.bus.redis_failures import UNAVAILABLE, publish_failure, report
from nextbuy.kit.events.bus.redis_offsets import RedisOffsets
from nextbuy.kit.events.bus.redis_risks import redis_risks
from nextbuy.kit.rpc.retry import backoff

log: Final = logging.getLogger(__name__)

MAX_STREAM_LENGTH: Final = 1_000_000
"""Messages per stream, roughly: a bound on Redis's memory that no healthy consumer reaches."""
LEASE: Final = 5.0
"""Seconds. Several times `POLL_INTERVAL`, at which it is extended."""
POLL_INTERVAL: Final = 1.0
"""Seconds between polls of every topic, and between extensions of a lease."""
_LEASE_MARGIN: Final = 0.5
"""Seconds before a lease ends after which its holder does not rely on it, since clocks drift."""
_TIMEOUT: Final = 3.0
"""Seconds per round trip, less than the relay's timeout."""
_CLOSE_TIMEOUT: Final = 1.0
"""Seconds. Short, because leases that are not released expire."""
_RETRY_BASE, _RETRY_CAP = 0.05, 1.0
"""Seconds between attempts while Redis is unavailable, with full jitter."""

_CONSUMER: Final = "owner"
_RELEASED: Final = b"released"
_PUBLISHED: Final = b"published"

_PUBLISH: Final = f"""
local oldest = string.format('%d', (redis.call('TIME')[1] - {RETENTION_DAYS * 24 * 3600}) * 1000)
for i = 3, #ARGV, 3 do
  redis.call(
    'XADD', KEYS[tonumber(ARGV[i])], 'MAXLEN', '~', ARGV[1], '*', 'event', ARGV[i + 1], 'position', ARGV[i + 2]
  )
end
-- Not before: once a script has written, Redis lets it exceed maxmemory.
for i = 1, #KEYS / 2 do redis.call('XTRIM', KEYS[i], 'MINID', oldest) end
for i = #KEYS / 2 + 1, #KEYS do redis.pcall('PUBLISH', KEYS[i], ARGV[2]) end
"""
_TAKE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
local ttl = redis.call('PTTL', KEYS[1])
if ttl * 2 < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  ttl = tonumber(ARGV[2])
end
local reply = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], '0')
if #reply[1][2] == 0 then
  reply = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], '>')
end
local batch, bytes = {}, 0
for i, entry in ipairs(reply and reply[1][2] or {}) do
  if bytes >= tonumber(ARGV[6]) then break end
  for _, field in ipairs(entry[2] or {}) do bytes = bytes + #field end
  batch[i] = entry
end
return {ttl, batch}
"""
_EXTEND: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
)
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
"""


class RedisBus:
    """A bus on a Redis that may be shared: all its keys begin with `prefix`."""

    carrier = "Redis Streams"

    def __init__(self, client: Redis, prefix: str = REDIS_PREFIX) -> None:
        self._shared_client = client
        self._prefix = prefix
        self._client = own_client(client, timeout=_TIMEOUT)
        self._offsets = RedisOffsets(self._client, prefix, timeout=_TIMEOUT)

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
        streams = {topic: index for index, topic in enumerate({message.topic: None for message in messages}, 1)}
        keys = [f"{self._prefix}{kind}:{topic}" for kind in ("stream", "hint") for topic in streams]
        arguments: list[str | bytes | int] = []
        for message in messages:
            arguments += (streams[message.topic], message.body, message.position)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.eval(_PUBLISH, len(keys), *keys, MAX_STREAM_LENGTH, _PUBLISHED, *arguments)
        except UNAVAILABLE as error:
            raise await publish_failure(self._client, error, messages) from error

    def subscribe(self, group: str, topics: Sequence[str], *, batch_size: int = 200) -> "RedisSubscription":
        """Join a group; topics of another member are taken over when it releases them or its lease expires."""
        return RedisSubscription(self._shared_client, self._prefix, group, topics, batch_size)

    async def backlogs(self, groups: Mapping[str, Collection[str]]) -> dict[str, Backlog]:
        """Return the backlog of each group."""
        return await report(read_backlogs(self._client, self._prefix, groups), _TIMEOUT)

    async def risks(self, topics: Sequence[str]) -> list[Risk]:  # noqa: ARG002  Redis has no settings per topic
        """Return what may lose events, from Redis's own report of its state."""
        return await report(redis_risks(self._client), _TIMEOUT)

    async def ends(self, topics: Collection[str]) -> dict[str, TopicEnd]:
        """Return the id of the last entry of each stream as one number, in partition 0."""
        return await self._offsets.ends(topics)

    async def has_passed(self, group: str, ends: Sequence[tuple[str, TopicEnd]]) -> list[bool]:
        """Return for each stream whether nothing up to its end is pending or not delivered yet."""
        return await self._offsets.has_passed(group, ends)

    async def close(self) -> None:
        """Close our connections; the shared client stays open."""
        await self._client.aclose()


class _TopicState:
    """The state of one topic in one subscription."""

    def __init__(self, prefix: str, group: str, topic: str) -> None:
        self.topic = topic
        self.stream = f"{prefix}stream:{topic}"
        self.lease = f"{prefix}lease:{group}:{topic}"
        self.hint = f"{prefix}hint:{topic}"
        self.leased_until = 0.0
        self.in_progress = False
        """Whether a batch was yielded and is not acknowledged yet."""
        self.ready = True
        """Whether there may be messages to take."""

    @property
    def leased(self) -> bool:
        return time.monotonic() < self.leased_until


class _RedisBatch:
    """Deliveries of one topic; the topic's next batch is yielded only after `acknowledge`, whatever its count."""

    def __init__(self, subscription: "RedisSubscription", state: _TopicState, deliveries: Sequence[Delivery]) -> None:
        self.topic = state.topic
        self.deliveries = deliveries
        self.state = state
        self._subscription = subscription

    async def acknowledge(self, count: int | None = None) -> None:
        done = [delivery.offset for delivery in self.deliveries[:count]]
        try:
            if done:
                await self._subscription.acknowledge(self.state.stream, done)
        finally:
            self.state.in_progress = False
            self._subscription.mark_ready([self.state])


class RedisSubscription:
    """A member of a consumer group."""

    def __init__(self, client: Redis, prefix: str, group: str, topics: Sequence[str], batch_size: int) -> None:
        self._client = own_client(client, timeout=_TIMEOUT)
        self._group = group
        self._batch_size = batch_size
        self._token = uuid4().hex
        self._topics = [_TopicState(prefix, group, topic) for topic in topics]
        self._wakeup = asyncio.Event()
        self._closed = False
        self._helpers: list[asyncio.Task[None]] = []

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield batches without end, at most one of each topic at a time; wait while Redis is unavailable."""
        self._helpers = [asyncio.create_task(self._poll()), asyncio.create_task(self._listen())]
        failures = 0
        while not self._closed:
            self._wakeup.clear()
            ready = [state for state in self._topics if state.ready and not state.in_progress]
            if not ready:
                await self._wakeup.wait()
                continue
            try:
                batches = await self._take(ready)
            except UNAVAILABLE as error:
                if not failures:
                    log.warning("Redis unavailable; consumer group %s keeps retrying: %r", self._group, error)
                await asyncio.sleep(backoff(failures, base=_RETRY_BASE, cap=_RETRY_CAP, random=random.random))
                failures += 1
                continue
            if failures:
                log.info("Redis available again; consumer group %s continues", self._group)
                failures = 0
            for batch in batches:
                if batch.state.leased:
                    yield batch
                else:
                    await batch.acknowledge(0)

    async def close(self) -> None:
        """Release the topics at once, so that another member takes over."""
        self._closed = True
        self._wakeup.set()
        for helper in self._helpers:
            helper.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)
        with suppress(*UNAVAILABLE):  # the leases expire by themselves
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                pipe = self._client.pipeline(transaction=False)
                for state in self._topics:
                    pipe.execute_command("EVAL", _RELEASE, 1, state.lease, self._token, state.hint, _RELEASED)
                await pipe.execute()
        with suppress(*UNAVAILABLE):
            await self._client.aclose()

    async def acknowledge(self, stream: str, offsets: Sequence[str]) -> None:
        """Acknowledge messages. This is safe even after the lease is lost, since they have been processed."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.xack(stream, self._group, *offsets)
        except UNAVAILABLE as error:
            message = f"Redis did not acknowledge {len(offsets)} messages: {error!r}"
            raise BusUnavailable(message) from error

    def mark_ready(self, states: Iterable[_TopicState]) -> None:
        """Have `batches` take messages of these topics."""
        for state in states:
            state.ready = True
        self._wakeup.set()

    async def _take(self, states: Sequence[_TopicState]) -> list[_RedisBatch]:
        began = time.monotonic()
        pipe = self._client.pipeline(transaction=False)
        for state in states:
            state.ready = False
            pipe.execute_command(
                "EVAL", _TAKE, 2, state.lease, state.stream,
                self._token, int(LEASE * 1000), self._group, _CONSUMER, self._batch_size, MAX_BATCH_BYTES,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_TIMEOUT):
                replies = await pipe.execute(raise_on_error=False)
                await self._create_groups([s for s, reply in zip(states, replies, strict=True) if _has_no_group(reply)])
        except BaseException:
            self.mark_ready(states)
            raise
        for reply in replies:
            if isinstance(reply, Exception) and not _has_no_group(reply):
                self.mark_ready(states)
                raise reply
        batches: list[_RedisBatch] = []
        for state, reply in zip(states, replies, strict=True):
            if _has_no_group(reply):
                self.mark_ready([state])
            elif reply is None:
                state.leased_until = 0.0
            else:
                ttl_ms, entries = reply
                state.leased_until = began + ttl_ms / 1000 - _LEASE_MARGIN
                if (batch := await self._batch(state, entries)) is not None:
                    batches.append(batch)
        return batches

    async def _batch(self, state: _TopicState, entries: list[Any]) -> _RedisBatch | None:
        trimmed = [offset.decode() for offset, fields in entries if fields is None]
        if trimmed:
            text = "EVENTS LOST: %d %s events were trimmed before group %s read them; event logs have them"
            log.error(text, len(trimmed), state.topic, self._group)
            with suppress(BusUnavailable):  # the next take returns them again
                await self.acknowledge(state.stream, trimmed)
        deliveries = [
            _delivery(state.topic, offset.decode(), fields) for offset, fields in entries if fields is not None
        ]
        if not deliveries:
            if trimmed:
                self.mark_ready([state])
            return None
        state.in_progress = True
        return _RedisBatch(self, state, deliveries)

    async def _create_groups(self, states: Sequence[_TopicState]) -> None:
        for state in states:
            try:
                await self._client.xgroup_create(state.stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _poll(self) -> None:
        """Extend our leases and mark every topic as ready, because hints can be lost and other leases expire."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            leased = [state for state in self._topics if state.leased_until]
            until = time.monotonic() + LEASE - _LEASE_MARGIN
            pipe = self._client.pipeline(transaction=False)
            for state in leased:
                pipe.execute_command("EVAL", _EXTEND, 1, state.lease, self._token, int(LEASE * 1000))
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(_TIMEOUT):
                    replies = await pipe.execute()
                for state, reply in zip(leased, replies, strict=True):
                    state.leased_until = until if reply else 0.0
            self.mark_ready(self._topics)

    async def _listen(self) -> None:
        """Receive hints: of new messages in topics that this member owns, and of released leases."""
        by_channel = {state.hint.encode(): state for state in self._topics}
        failures = 0
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(*by_channel)
                    self.mark_ready(self._topics)
                    async for message in pubsub.listen():
                        failures = 0
                        state = by_channel.get(message["channel"])
                        if state is not None and (state.leased or message["data"] == _RELEASED):
                            self.mark_ready([state])
            except UNAVAILABLE:
                await asyncio.sleep(backoff(failures, base=_RETRY_BASE, cap=_RETRY_CAP, random=random.random))
                failures += 1


def _has_no_group(reply: object) -> bool:
    return isinstance(reply, ResponseError) and "NOGROUP" in str(reply)


def _delivery(topic: str, offset: str, fields: Sequence[bytes]) -> Delivery:
    """Return the message of an entry; a foreign entry has none, and cannot be decoded later."""
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    return Delivery(topic, offset, named.get(b"event", b""), parse_position(named.get(b"position")))
