"""A member of a consumer group on Redis Streams: it owns topics under leases, and takes their messages.

**One script both checks the leases and takes messages**: an owner that stalled until its lease expired takes nothing
from its successor. It runs when a hint of new messages arrives and, for all topics at once, every `POLL_INTERVAL`,
which extends the leases. All owners of a group share a consumer name, so unacknowledged messages come first, in order.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nextbuy.kit.events.bus.interface import MAX_BATCH_BYTES, Batch, BusUnavailable, Delivery, parse_position
from nextbuy.kit.events.bus.redis_connection import TIMEOUT, hint_channel, own_client, stream_of
from nextbuy.kit.events.bus.redis_failures import UNAVAILABLE
from nextbuy.kit.rpc.retry import backoff

log: Final = logging.getLogger(__name__)

LEASE: Final = 5.0
"""Seconds. Several times `POLL_INTERVAL`, at which it is extended."""
POLL_INTERVAL: Final = 1.0
"""Seconds between polls of every topic, for hints that were lost and leases that expired."""
_LEASE_MARGIN: Final = 0.5
"""Seconds before a lease ends after which its holder does not rely on it, since clocks drift."""
_CLOSE_TIMEOUT: Final = 1.0
"""Seconds. Short, because leases that are not released expire."""
_RETRY_BASE: Final = 0.05
_RETRY_CAP: Final = 1.0
"""Seconds between attempts while Redis is unavailable, with full jitter."""

_CONSUMER: Final = "owner"
_EXTEND, _NEW, _AGAIN = "extend", "new", "again"
"""Acts of the script on a topic: take no messages, take new ones, or take unacknowledged ones first."""
_OWNED, _EXTENDED = 1, 2
"""Results for a topic that we own: its lease lasts as long as before, or was extended or taken."""

# KEYS: leases, then streams. ARGV: token, lease in ms, group, consumer, count, bytes, whether leases are extended, then
# the act of each topic. Returns for each topic whether it is owned (1) and its lease extended (2), whether
# unacknowledged messages and new ones may be left behind the batch, and the batch.
# A free lease is taken, unless it is only to be extended: its messages may have gone to another owner meanwhile.
_TAKE: Final = """
local n, token, lease, place, again, new = #KEYS / 2, ARGV[1], ARGV[2], {}, {}, {}
local owned, found, left, more = {}, {}, {}, {}
for i, holder in ipairs(redis.call('MGET', unpack(KEYS, 1, n))) do
  local act = ARGV[7 + i]
  owned[i], place[KEYS[n + i]] = 1, i
  if holder == token then
    if ARGV[7] == '1' then owned[i] = 1 + redis.call('PEXPIRE', KEYS[i], lease) end
  elseif not holder and act ~= 'extend' then
    redis.call('SET', KEYS[i], token, 'PX', lease)
    owned[i], act = 2, 'again'
  else
    owned[i], act = 0, 'extend'
  end
  if act == 'again' then table.insert(again, i) elseif act == 'new' then table.insert(new, i) end
end
local function read(topics, id)
  if #topics == 0 then return {} end
  local command = {'XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS'}
  for _, i in ipairs(topics) do table.insert(command, KEYS[n + i]) end
  for _ = 1, #topics do table.insert(command, id) end
  return redis.call(unpack(command)) or {}
end
for _, reply in ipairs(read(again, '0')) do
  local i = place[reply[1]]
  if #reply[2] == 0 then table.insert(new, i) else found[i], left[i] = reply[2], 1 end
end
for _, reply in ipairs(read(new, '>')) do
  local i = place[reply[1]]
  found[i] = reply[2]
  if #reply[2] == tonumber(ARGV[5]) then more[i] = 1 end
end
local result = {}
for i = 1, n do
  local batch, bytes = {}, 0
  for j, entry in ipairs(found[i] or {}) do
    if bytes >= tonumber(ARGV[6]) then left[i] = 1 break end
    for _, field in ipairs(entry[2] or {}) do bytes = bytes + #field end
    batch[j] = entry
  end
  result[i] = {owned[i], left[i] or 0, more[i] or 0, batch}
end
return result
"""
# KEYS: leases. ARGV: token, channel, then topics.
_RELEASE: Final = """
local released = {}
for i, holder in ipairs(redis.call('MGET', unpack(KEYS))) do
  if holder == ARGV[1] then
    redis.call('DEL', KEYS[i])
    table.insert(released, ARGV[2 + i])
  end
end
if #released > 0 then redis.call('PUBLISH', ARGV[2], table.concat(released, ' ')) end
"""


class _TopicState:
    """The state of one topic in one subscription."""

    def __init__(self, prefix: str, group: str, topic: str) -> None:
        self.topic = topic
        self.stream = stream_of(prefix, topic)
        self.lease = f"{prefix}lease:{group}:{topic}"
        self.leased_until = 0.0
        self.in_progress = False
        """Whether a batch was yielded and is not acknowledged yet."""
        self.ready = True
        """Whether there may be messages to take."""
        self.again = True
        """Whether there may be unacknowledged messages to take first."""
        self.more = False
        """Whether new messages may follow the batch that is in progress."""

    @property
    def leased(self) -> bool:
        return time.monotonic() < self.leased_until

    @property
    def act(self) -> str:
        if self.in_progress:
            return _EXTEND
        return _AGAIN if self.again else _NEW


class _RedisBatch:
    """Deliveries of one topic; the topic's next batch is yielded only after `acknowledge`, whatever its count."""

    def __init__(self, subscription: "RedisSubscription", state: _TopicState, deliveries: Sequence[Delivery]) -> None:
        self.topic = state.topic
        self.deliveries = deliveries
        self.state = state
        self._subscription = subscription

    async def acknowledge(self, count: int | None = None) -> None:
        done = [delivery.offset for delivery in self.deliveries[:count]]
        was_again, self.state.again = self.state.again, True
        try:
            if done:
                await self._subscription.acknowledge(self.state.stream, done)
            self.state.again = was_again or len(done) < len(self.deliveries)
        finally:
            self.state.in_progress = False
            if self.state.again or self.state.more or self.state.ready:
                self._subscription.mark_ready([self.state])


class RedisSubscription:
    """A member of a consumer group."""

    def __init__(self, client: Redis, prefix: str, group: str, topics: Sequence[str], batch_size: int) -> None:
        self._client = own_client(client)
        self._group = group
        self._batch_size = batch_size
        self._token = uuid4().hex
        self._topics = [_TopicState(prefix, group, topic) for topic in topics]
        self._published = hint_channel(prefix)
        self._released = f"{prefix}released:{group}"
        self._run_take = self._client.register_script(_TAKE)
        self._run_release = self._client.register_script(_RELEASE)
        self._wakeup = asyncio.Event()
        self._waiting = False
        self._extends = False
        """Whether the next take extends the leases."""
        self._closed = False
        self._helpers: list[asyncio.Task[None]] = []

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield batches without end, at most one of each topic at a time; wait while Redis is unavailable."""
        self._helpers = [asyncio.create_task(self._poll()), asyncio.create_task(self._listen())]
        failures = 0
        while not self._closed:
            self._wakeup.clear()
            if not any(state.ready and not state.in_progress for state in self._topics):
                self._waiting = True
                await self._wakeup.wait()
                self._waiting = False
                continue
            try:
                batches = await self._take()
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
                topics = [state.topic for state in self._topics]
                await self._run_release([state.lease for state in self._topics], [self._token, self._released, *topics])
        with suppress(*UNAVAILABLE):
            await self._client.aclose()

    async def acknowledge(self, stream: str, offsets: Sequence[str]) -> None:
        """Acknowledge messages. This is safe even after the lease is lost, since they have been processed."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._client.xack(stream, self._group, *offsets)
        except UNAVAILABLE as error:
            message = f"Redis did not acknowledge {len(offsets)} messages: {error!r}"
            raise BusUnavailable(message) from error

    def mark_ready(self, states: Iterable[_TopicState]) -> None:
        """Have `batches` take messages of these topics."""
        for state in states:
            state.ready = True
        self._wakeup.set()

    async def _take(self) -> list[_RedisBatch]:
        """Take messages of the topics that are ready; every `POLL_INTERVAL`, also extend the leases of the others."""
        states = [state for state in self._topics if self._extends or (state.ready and not state.in_progress)]
        reading = [state for state in states if not state.in_progress]
        for state in reading:
            state.ready = False
        extends = self._extends or not all(state.leased for state in states)
        try:
            replies = await self._run(states, [state.act for state in states], extends=extends)
        except BaseException as error:
            for state in reading:
                state.again = True  # messages may have been taken although no reply arrived
            self.mark_ready(reading)
            if not isinstance(error, ResponseError) or "NOGROUP" not in str(error):
                raise
            await self._create_groups(reading)
            return []
        self._extends = False
        batches: list[_RedisBatch] = []
        for state, (owned, left, more, entries) in zip(states, replies, strict=True):
            if state in reading and owned:
                state.again, state.more = bool(left), bool(more)
                if (batch := await self._batch(state, entries)) is not None:
                    batches.append(batch)
        return batches

    async def _run(self, states: Sequence[_TopicState], acts: Sequence[str], *, extends: bool) -> list[Any]:
        """Run the script for some topics, and note which of them we own."""
        began = time.monotonic()
        keys = [*(state.lease for state in states), *(state.stream for state in states)]
        values: list[str | int] = [self._token, int(LEASE * 1000), self._group, _CONSUMER]
        values += [self._batch_size, MAX_BATCH_BYTES, int(extends)]
        async with asyncio.timeout(TIMEOUT):
            replies: list[Any] = await self._run_take(keys, [*values, *acts])
        for state, (owned, *_) in zip(states, replies, strict=True):
            if owned != _OWNED:
                state.leased_until = began + LEASE - _LEASE_MARGIN if owned == _EXTENDED else 0.0
            state.again |= not owned
        return replies

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
        pipe = self._client.pipeline(transaction=False)
        for state in states:
            pipe.execute_command("XGROUP", "CREATE", state.stream, self._group, "0", "MKSTREAM")
        async with asyncio.timeout(TIMEOUT):
            for reply in await pipe.execute(raise_on_error=False):
                if isinstance(reply, Exception) and "BUSYGROUP" not in str(reply):
                    raise reply

    async def _poll(self) -> None:
        """Have every topic read, because hints can be lost and other leases expire; keep our leases meanwhile."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            idle = [state for state in self._topics if not state.in_progress]
            if idle and self._waiting:
                self._extends = True
                self.mark_ready(idle)
                continue
            # The reader of our batches is busy.
            self.mark_ready(idle)
            if owned := [state for state in self._topics if state.leased_until]:
                with suppress(*UNAVAILABLE):
                    await self._run(owned, [_EXTEND] * len(owned), extends=True)

    async def _listen(self) -> None:
        """Receive hints: of new messages in topics that this member owns, and of released leases."""
        by_name = {state.topic.encode(): state for state in self._topics}
        failures = 0
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(self._published, self._released)
                    async for message in pubsub.listen():
                        failures = 0
                        if message["type"] != "message":
                            self.mark_ready(self._topics)  # subscribed: what comes from now on is hinted
                            continue
                        released = message["channel"] == self._released.encode()
                        hinted = [by_name[name] for name in message["data"].split() if name in by_name]
                        if hinted := [state for state in hinted if released or state.leased]:
                            self.mark_ready(hinted)
            except UNAVAILABLE:
                await asyncio.sleep(backoff(failures, base=_RETRY_BASE, cap=_RETRY_CAP, random=random.random))
                failures += 1


def _delivery(topic: str, offset: str, fields: Sequence[bytes]) -> Delivery:
    """Return the message of an entry; a foreign entry has none, and cannot be decoded later."""
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    return Delivery(topic, offset, named.get(b"event", b""), parse_position(named.get(b"position")))
