"""The shared cache: encoded values in a Redis that all copies of a service use, none older than its limit.

Ages are measured on the clock of Redis alone. A load that misses gets the time of Redis before it reads anything; its
value expires at that time plus the limit, however late it is stored. A hit comes with its remaining lifetime, and the
caller keeps it for no longer. Nothing is deleted when data changes.

The first load that misses takes a lock and computes; the loads of other copies wait for its value for a short time, so
that many copies read the database as often as one. Correctness never depends on the lock. Without Redis, each load
computes for itself.
"""

import asyncio
import hashlib
import hmac
import math
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from nextbuy.contracts.status import CacheCounts
from nextbuy.kit.storage.cache_server import CacheServer

MAX_WAIT: Final = 0.15
"""Seconds that a load waits for the value of another: most searches take less."""
MAX_BYTES: Final = 512 * 1024
"""The largest value that is stored, so that few values cannot fill a small Redis."""
_FIRST_PAUSE: Final = 0.004
"""Seconds until a load looks for the value of another again; each further pause doubles, up to `_MAX_PAUSE`."""
_MAX_PAUSE: Final = 0.02
_MAC_BYTES: Final = 16
"""Bytes of the message authentication code (RFC 7693, keyed) in front of a value."""
_LOCK_TIME: Final = 1.0
"""Seconds until the lock of a process that died is free. Longer than `MAX_WAIT`, so that slow loads do not pile up."""

_GET_OR_LOCK: Final = """
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  redis.call('DEL', KEYS[1])
  value = false
end
if value then
  local rest = redis.call('PTTL', KEYS[1])
  if rest >= tonumber(ARGV[3]) and rest <= tonumber(ARGV[4]) then
    return {value, rest}
  end
end
local lock = redis.call('PTTL', KEYS[2])
if lock == -1 or lock > tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[2])
end
local time = redis.call('TIME')
local locked = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return {false, time[1] * 1000 + math.floor(time[2] / 1000), locked and 1 or 0}
"""
"""Return a value and its remaining milliseconds, or nil, the time in milliseconds, and whether the lock was free.

A value is a miss if it has less left than ARGV[3], or more than its limit ARGV[4]: the clock of Redis was set back.
A value of another type, or a lock with no expiry or a longer one than ARGV[2], was not stored by us and is deleted.
"""
_STORE: Final = """
local time = redis.call('TIME')
local rest, limit = ARGV[2] - time[1] * 1000 - math.floor(time[2] / 1000), tonumber(ARGV[4])
if rest > 0 and rest <= limit then
  local present = redis.call('PTTL', KEYS[1])
  if present < rest or present > limit then
    redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
  end
end
if redis.pcall('GET', KEYS[2]) == ARGV[3] then
  redis.call('DEL', KEYS[2])
end
return 1
"""
"""Store a value until ARGV[2], unless that has passed or a newer value is there, and free the lock of token ARGV[3]."""


class CachedValue(Struct, frozen=True):
    """A value that contains every change committed before `as_of` (monotonic seconds of this process)."""

    body: bytes
    as_of: float
    shared: bool = False
    """Whether it came from Redis: it may be served until `as_of` plus its limit, and no longer."""


class SharedCache:
    """The values of one service in Redis. Callers share one load per key in their process."""

    def __init__(
        self,
        server: CacheServer | None,
        prefix: str = "",
        secret: bytes = b"",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Cache values in `server`; without one, every load computes.

        Args:
            server: the Redis, or None.
            prefix: the beginning of all keys.
            secret: up to 64 bytes; authenticates values, which other programs then cannot forge or swap.
            now: monotonic seconds.
        """
        self._server = server
        self._prefix = prefix
        self._secret = secret
        self._now = now
        self._hits = self._misses = self._errors = 0
        if server is not None:
            self._get_or_lock, self._store = server.script(_GET_OR_LOCK), server.script(_STORE)

    @property
    def enabled(self) -> bool:
        """Whether there is a Redis for it."""
        return self._server is not None

    @property
    def counts(self) -> CacheCounts | None:
        """The outcomes of the loads in this process; None if there were none."""
        if not self._hits + self._misses + self._errors:
            return None
        return CacheCounts(hits=self._hits, misses=self._misses, errors=self._errors)

    async def load(
        self,
        kind: str,
        key: bytes,
        *,
        limit: float,
        compute: Callable[[], Awaitable[CachedValue]],
        not_before: float = -math.inf,
    ) -> CachedValue:
        """Return a value that is at most `limit` seconds old, from Redis or from `compute`, whose errors pass through.

        Args:
            kind: the kind of value, a part of the key.
            key: identifies the value; only its digest is stored.
            limit: seconds from the reading of a value until it expires.
            compute: reads the value. Its `as_of` is not before the call, except for parts that were cached.
            not_before: values that may lack a change committed before this monotonic time count as missing.
        """
        server = self._server
        if server is None:
            return await compute()
        entry = f"{self._prefix}{kind}:{hashlib.blake2b(key, digest_size=16).hexdigest()}"
        keys, token, lifetime = [entry, f"{entry}:lock"], os.urandom(8), int(limit * 1000)
        pause, give_up = _FIRST_PAUSE, math.inf
        while True:
            asked = self._now()
            # Redis rounds the time that a value has left up, by less than a millisecond.
            min_rest = 1 + math.ceil(max(0.0, limit - (asked - not_before)) * 1000)
            reply = await server.run(self._get_or_lock, keys, [token, int(_LOCK_TIME * 1000), min_rest, lifetime])
            if reply is None:
                self._errors += 1
                return await compute()
            if reply[0] is not None:
                body = reply[0][_MAC_BYTES:]
                if not hmac.compare_digest(reply[0][:_MAC_BYTES], self._mac(entry, body)):
                    self._errors += 1
                    return await compute()
                self._hits += 1
                return CachedValue(body, asked + reply[1] / 1000 - limit, shared=True)
            answered = self._now()
            if reply[2] or answered >= give_up:
                break
            give_up = min(give_up, asked + MAX_WAIT)
            await asyncio.sleep(max(0.0, min(pause, give_up - answered)))
            pause = min(2 * pause, _MAX_PAUSE)
        self._misses += 1
        stored, expires_at = b"", 0
        try:
            value = await compute()
            if len(value.body) <= MAX_BYTES:
                age = max(0.0, answered - value.as_of)
                stored = self._mac(entry, value.body) + value.body
                expires_at = reply[1] + lifetime - math.ceil(age * 1000)
            return value
        finally:
            await server.run(self._store, keys, [stored, expires_at, token, lifetime])

    def _mac(self, entry: str, body: bytes) -> bytes:
        digest = hashlib.blake2b(entry.encode() + b"\0", key=self._secret, digest_size=_MAC_BYTES)
        digest.update(body)
        return digest.digest()
