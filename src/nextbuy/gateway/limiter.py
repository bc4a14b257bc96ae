"""Rate limits that all gateways share through Redis, and that each gateway applies alone while Redis is unavailable.

A request costs one token. Tokens are taken from Redis in small batches and spent here, so most requests need no round
trip. A bucket in Redis is one number, the time at which it is full again (the generic cell rate algorithm), changed by
one script on the clock of Redis.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from nextbuy.contracts.errors import AppError, TooManyRequests
from nextbuy.gateway.limits import Limit, Tokens, limit_for
from nextbuy.kit.config import REDIS_PREFIX
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.http.tokens import TokenVerifier, access_tokens
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError, BreakerPolicy

MAX_CLIENTS: Final = 50_000
"""Clients whose tokens are stored here; beyond that the least recent is dropped (Redis still counts it)."""
STORE_TIMEOUT: Final = 0.05
"""Seconds that a request waits for Redis."""
_REDIS_POLICY: Final = BreakerPolicy(
    min_calls=5, consecutive_failures=3, reset_after=0.5, reset_cap=5.0, probes=1, successes_to_close=1
)
_TAKE: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local burst, rate, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local have = burst - (full_at - now) * rate
if have + 0.000001 < 1 then
  return {0, tostring((1 - have) / rate)}
end
local taken = math.min(want, math.floor(have + 0.000001))
full_at = full_at + taken / rate
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + 1000)
return {taken, '0'}
"""


class Store(Protocol):
    """The part of a Redis client that the limiter uses."""

    def register_script(self, script: Any) -> Any:  # noqa: ANN401  as the client's own types have it
        """Return the script as an awaitable function of `keys` and `args`."""
        ...


class RateLimited(TooManyRequests):
    """Too many requests under one limit; `headers` go into the response."""

    def __init__(self, limit: Limit, wait: float) -> None:
        when = f"in {wait:.0f} s" if wait >= 1 else "in a moment"
        super().__init__(f"Too many requests. Try again {when}.", retry_after=wait)
        self.headers = limit.refusal(wait)


class Limiter:
    """The rate limits of one gateway."""

    def __init__(
        self,
        redis: Store,
        verifier: TokenVerifier,
        *,
        prefix: str = REDIS_PREFIX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count in `redis` under keys with `prefix`: per account if `verifier` accepts the token, else per IP."""
        self._prefix = prefix
        self._take = redis.register_script(_TAKE)
        self._verifier = verifier
        self._now = now
        self._breaker = Breaker(now, _REDIS_POLICY)
        self._tokens: OrderedDict[tuple[str, str], Tokens] = OrderedDict()
        self._refills: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def admit(self, method: str, path: str, headers: Mapping[str, str], ip: str) -> None:
        """Count a request of an account or an IP address; raise RateLimited if it has no tokens left."""
        limit = limit_for(method, path)
        if limit is None:
            return
        tokens_sent = [] if limit.by_ip else access_tokens(headers)
        key = (limit.name, await self._client(tokens_sent, ip) if tokens_sent else client_network(ip))
        tokens = self._tokens.get(key)
        if tokens is None:
            tokens = self._tokens[key] = Tokens(limit)
            if len(self._tokens) > MAX_CLIENTS:
                self._tokens.popitem(last=False)
        else:
            self._tokens.move_to_end(key)
        if not tokens.spend():
            await self._refill(limit, key, tokens)

    async def close(self) -> None:
        """Cancel the requests to Redis that are in flight."""
        for task in list(self._refills.values()):
            task.cancel()
        await asyncio.gather(*self._refills.values(), return_exceptions=True)

    async def _client(self, tokens: Sequence[str], ip: str) -> str:
        try:
            _, identity = await self._verifier.verify_first(tokens)
            return str(identity.account_id)
        except AppError:
            # No token is valid, or auth is unavailable. The IP address is known in any case.
            return client_network(ip)

    async def _refill(self, limit: Limit, key: tuple[str, str], tokens: Tokens) -> None:
        """Take a batch from Redis and spend one token of it; use the local bucket if Redis is unavailable."""
        while True:
            wait = tokens.wait(self._now())
            if wait > 0:
                raise RateLimited(limit, wait)
            task = self._refills.get(key)
            if task is None:
                try:
                    permit = self._breaker.admit()
                except BreakerOpenError:
                    return self._spend_local(limit, tokens)
                # Not cancelled with the request that waits for it: the connection would give the unread reply to its
                # next user.
                task = self._refills[key] = asyncio.create_task(self._take_batch(limit, key, tokens))
                task.add_done_callback(lambda task: self._refill_done(key, task))
                await asyncio.wait({task}, timeout=STORE_TIMEOUT)
                if task.done() and task.exception() is None:
                    permit.success()
                else:
                    permit.failure()
            else:
                await asyncio.wait({task}, timeout=STORE_TIMEOUT)
            if not task.done() or task.exception() is not None:
                return self._spend_local(limit, tokens)
            if tokens.spend():
                return None

    def _refill_done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._refills[key]
        # Read even if no request waits any more; otherwise asyncio logs an exception that was never retrieved.
        if not task.cancelled():
            task.exception()

    async def _take_batch(self, limit: Limit, key: tuple[str, str], tokens: Tokens) -> None:
        taken, wait = await self._take(
            keys=[f"{self._prefix}rate:{key[0]}:{key[1]}"], args=[limit.burst, limit.rate, limit.batch]
        )
        if taken:
            tokens.add(int(taken), self._now())
        else:
            tokens.empty_until = self._now() + float(wait)

    def _spend_local(self, limit: Limit, tokens: Tokens) -> None:
        wait = tokens.spend_local(self._now())
        if wait:
            raise RateLimited(limit, wait)
