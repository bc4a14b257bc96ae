"""The bus on Redis Streams: a stream for each topic, in which a consumer group has one owner at a time.

Ownership is a lease: a key that only its holder extends, and that passes by itself when the holder is heard of no
more. **Taking events happens in one script with the check of the lease.** So an owner that slept through its lease can
take nothing away from its successor; a blocking XREADGROUP, answered long after it was sent, could. Nobody blocks: who
publishes also sends a hint over pub/sub, in the same script, and a look once a second makes up for a hint that was
lost.

All owners of a group go by one consumer name, and every take looks at what was given to that name and not acknowledged
before it looks at what is new. Whatever became of the last batch or the last owner, what is not acknowledged comes
again, first, and in order.

Publishing is one script: all of it is stored or nothing is. Streams are cut to about their last million events, and to
those of 30 days: a group that lags by more loses what is cut (it is logged), though never for good, since event logs
keep what was published.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from nextbuy.kit.events.bus.interface import (
    MAX_BATCH_BYTES,
    RETENTION_DAYS,
    Batch,
    BusMessage,
    BusUnavailable,
    Delivery,
)
from nextbuy.kit.rpc.retry import backoff

log: Final = logging.getLogger(__name__)

MOST_KEPT: Final = 1_000_000
"""Events that a stream keeps, about."""
LEASE: Final = 5.0
"""Seconds that a topic stays with an owner which is heard of no more."""
POLL: Final = 1.0
"""Seconds between looks at every topic, and between extensions of a lease."""
_MARGIN: Final = 0.5
"""Seconds before the end of a lease at which its holder stops to trust in it."""
_TIMEOUT: Final = 3.0
"""Seconds that one conversation with the engine may take."""
_CLOSE_TIMEOUT: Final = 1.0
_WAIT_BASE: Final = 0.05
_WAIT_CAP: Final = 1.0
_AWAY: Final = (RedisError, OSError, TimeoutError)

_OWNER: Final = "owner"
_FREE: Final = b"free"
_NEW: Final = b"new"

_ADD: Final = f"""
local oldest = string.format('%d', (redis.call('TIME')[1] - {RETENTION_DAYS * 24 * 3600}) * 1000)
for i = 1, #KEYS / 2 do redis.call('XTRIM', KEYS[i], 'MINID', oldest) end
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[tonumber(ARGV[i])], 'MAXLEN', '~', ARGV[1], '*', 'event', ARGV[i + 1])
end
for i = #KEYS / 2 + 1, #KEYS do redis.call('PUBLISH', KEYS[i], ARGV[2]) end
"""
_TAKE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
local left = redis.call('PTTL', KEYS[1])
if left * 2 < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  left = tonumber(ARGV[2])
end
local got = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], '0')
if #got[1][2] == 0 then
  got = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], '>')
end
local batch, bytes = {}, 0
for place, entry in ipairs(got and got[1][2] or {}) do
  if bytes >= tonumber(ARGV[6]) then break end
  for _, word in ipairs(entry[2] or {}) do bytes = bytes + #word end
  batch[place] = entry
end
return {left, batch}
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
    """Carries packets on a Redis that others may use too: all that it keeps there begins with `prefix`."""

    def __init__(self, client: Redis, prefix: str = "nextbuy:") -> None:
        """Use the server that `client` speaks to, on connections of our own."""
        self._given = client
        self._prefix = prefix
        self._client = _beside(client)

    async def publish(self, packets: Sequence[BusMessage]) -> None:
        """Store packets, in this order: all of them or none."""
        if not packets:
            return
        streams = {topic: place for place, topic in enumerate({packet.topic: None for packet in packets}, 1)}
        keys = [f"{self._prefix}{kind}:{topic}" for kind in ("stream", "hint") for topic in streams]
        words: list[str | bytes | int] = []
        for packet in packets:
            words += (streams[packet.topic], packet.body)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.eval(_ADD, len(keys), *keys, MOST_KEPT, _NEW, *words)
        except _AWAY as error:
            message = f"Redis did not store {len(packets)} events: {error!r}"
            raise BusUnavailable(message) from error

    def subscribe(self, group: str, topics: Sequence[str], *, most: int = 200) -> "RedisSubscription":
        """Take a place in a group; the topics that another of the group owns come when that one lets go of them."""
        return RedisSubscription(self._given, self._prefix, group, topics, most)

    async def close(self) -> None:
        """Close our connections; the client that was given stays open."""
        await self._client.aclose()


class _Place:
    """One topic, as one subscription sees it."""

    def __init__(self, prefix: str, group: str, topic: str) -> None:
        self.topic = topic
        self.stream = f"{prefix}stream:{topic}"
        self.lease = f"{prefix}lease:{group}:{topic}"
        self.hint = f"{prefix}hint:{topic}"
        self.held_until = 0.0
        self.busy = False
        """Is a batch out that has not been acknowledged or given up?"""
        self.worth_a_look = True

    @property
    def held(self) -> bool:
        return time.monotonic() < self.held_until


class _RedisBatch:
    """Deliveries of one topic; the next of the topic are given only after `acknowledge`, with however small a count."""

    def __init__(self, subscription: "RedisSubscription", place: _Place, deliveries: Sequence[Delivery]) -> None:
        self.topic = place.topic
        self.deliveries = deliveries
        self.place = place
        self._subscription = subscription

    async def acknowledge(self, count: int | None = None) -> None:
        done = [delivery.position for delivery in self.deliveries[:count]]
        try:
            if done:
                await self._subscription.acknowledge(self.place.stream, done)
        finally:
            self.place.busy = False
            self._subscription.look_at([self.place])


class RedisSubscription:
    """A place in a group."""

    def __init__(self, client: Redis, prefix: str, group: str, topics: Sequence[str], most: int) -> None:
        """Prepare; nothing is said to the engine before `batches`."""
        self._client = _beside(client)
        self._group = group
        self._most = most
        self._token = uuid4().hex
        self._places = [_Place(prefix, group, topic) for topic in topics]
        self._stirred = asyncio.Event()
        self._closed = False
        self._helpers: list[asyncio.Task[None]] = []

    async def batches(self) -> AsyncIterator[Batch]:
        """Give batches for ever, at most one of each topic at a time; an engine that is away is waited for."""
        self._helpers = [asyncio.create_task(self._keep_looking()), asyncio.create_task(self._listen())]
        failures = 0
        while not self._closed:
            self._stirred.clear()
            places = [place for place in self._places if place.worth_a_look and not place.busy]
            if not places:
                await self._stirred.wait()
                continue
            try:
                batches = await self._take(places)
            except _AWAY as error:
                if not failures:
                    log.warning("Redis is away; group %s waits for it: %r", self._group, error)
                await asyncio.sleep(backoff(failures, base=_WAIT_BASE, cap=_WAIT_CAP, random=random.random))
                failures += 1
                continue
            if failures:
                log.info("Redis is back; group %s goes on.", self._group)
                failures = 0
            for batch in batches:
                if batch.place.held:
                    yield batch
                else:
                    await batch.acknowledge(0)

    async def close(self) -> None:
        """Give the topics back at once, so that another consumer takes over."""
        self._closed = True
        self._stirred.set()
        for helper in self._helpers:
            helper.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)
        with suppress(*_AWAY):  # then the leases pass by themselves
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                pipe = self._client.pipeline(transaction=False)
                for place in self._places:
                    pipe.execute_command("EVAL", _RELEASE, 1, place.lease, self._token, place.hint, _FREE)
                await pipe.execute()
        with suppress(*_AWAY):
            await self._client.aclose()

    async def acknowledge(self, stream: str, positions: Sequence[str]) -> None:
        """Take events off the list of what the group is owed; harmless after a lost lease, for they are done with."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.xack(stream, self._group, *positions)
        except _AWAY as error:
            message = f"Redis did not note that {len(positions)} events are done with: {error!r}"
            raise BusUnavailable(message) from error

    def look_at(self, places: Iterable[_Place]) -> None:
        """Say that there may be something to take."""
        for place in places:
            place.worth_a_look = True
        self._stirred.set()

    async def _take(self, places: Sequence[_Place]) -> list[_RedisBatch]:
        asked_at = time.monotonic()
        pipe = self._client.pipeline(transaction=False)
        for place in places:
            place.worth_a_look = False
            pipe.execute_command(
                "EVAL", _TAKE, 2, place.lease, place.stream,
                self._token, int(LEASE * 1000), self._group, _OWNER, self._most, MAX_BATCH_BYTES,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_TIMEOUT):
                answers = await pipe.execute(raise_on_error=False)
                await self._make_groups([p for p, a in zip(places, answers, strict=True) if _has_no_group(a)])
        except BaseException:
            self.look_at(places)
            raise
        for answer in answers:
            if isinstance(answer, Exception) and not _has_no_group(answer):
                self.look_at(places)
                raise answer
        batches: list[_RedisBatch] = []
        for place, answer in zip(places, answers, strict=True):
            if _has_no_group(answer):
                self.look_at([place])
            elif answer is None:
                place.held_until = 0.0
            else:
                left, entries = answer
                place.held_until = asked_at + left / 1000 - _MARGIN
                if (batch := await self._batch(place, entries)) is not None:
                    batches.append(batch)
        return batches

    async def _batch(self, place: _Place, entries: list[Any]) -> _RedisBatch | None:
        cut = [position.decode() for position, fields in entries if fields is None]
        if cut:
            log.error(
                "%d events of %s were cut off the stream before %s came to them.", len(cut), place.topic, self._group
            )
            await self.acknowledge_quietly(place.stream, cut)
        deliveries = [
            Delivery(place.topic, position.decode(), _body(fields))
            for position, fields in entries
            if fields is not None
        ]
        if not deliveries:
            if cut:
                self.look_at([place])
            return None
        place.busy = True
        return _RedisBatch(self, place, deliveries)

    async def acknowledge_quietly(self, stream: str, positions: Sequence[str]) -> None:
        """Acknowledge what can be acknowledged again at the next look."""
        with suppress(BusUnavailable):
            await self.acknowledge(stream, positions)

    async def _make_groups(self, places: Sequence[_Place]) -> None:
        for place in places:
            try:
                await self._client.xgroup_create(place.stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _keep_looking(self) -> None:
        """Extend what is held, and look at every topic: for hints that were lost and leases that have passed."""
        while True:
            await asyncio.sleep(POLL)
            held = [place for place in self._places if place.held_until]
            until = time.monotonic() + LEASE - _MARGIN
            pipe = self._client.pipeline(transaction=False)
            for place in held:
                pipe.execute_command("EVAL", _EXTEND, 1, place.lease, self._token, int(LEASE * 1000))
            with suppress(*_AWAY):
                async with asyncio.timeout(_TIMEOUT):
                    answers = await pipe.execute()
                for place, answer in zip(held, answers, strict=True):
                    place.held_until = until if answer else 0.0
            self.look_at(self._places)

    async def _listen(self) -> None:
        """Hear hints: of new events for topics that we own, of leases given back for any."""
        by_channel = {place.hint.encode(): place for place in self._places}
        failures = 0
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(*by_channel)
                    self.look_at(self._places)
                    async for message in pubsub.listen():
                        failures = 0
                        place = by_channel.get(message["channel"])
                        if place is not None and (place.held or message["data"] == _FREE):
                            self.look_at([place])
            except _AWAY:
                await asyncio.sleep(backoff(failures, base=_WAIT_BASE, cap=_WAIT_CAP, random=random.random))
                failures += 1


def _beside(client: Redis) -> Redis:
    """Return a client of the same server that speaks bytes, and leaves trying again and time limits to us.

    Given a time limit, redis-py sends under `asyncio.wait_for`, which up to Python 3.11 can swallow a cancellation.
    """
    pool = client.connection_pool
    # Over TCP redis-py keeps what belongs to that pool alone in the same place: its handlers of maintenance notices.
    own = {name: value for name, value in pool.connection_kwargs.items() if not name.startswith(("maint_", "orig_"))}
    settings = {
        **own,
        "socket_timeout": None,
        "socket_connect_timeout": _TIMEOUT,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
    }
    return Redis.from_pool(ConnectionPool(connection_class=pool.connection_class, **settings))


def _has_no_group(answer: object) -> bool:
    return isinstance(answer, ResponseError) and "NOGROUP" in str(answer)


def _body(fields: Sequence[bytes]) -> bytes:
    """Return the event of an entry; one that is not ours has none, and is found unreadable further on."""
    named = dict(zip(fields[::2], fields[1::2], strict=False))
    return named.get(b"event", b"")
