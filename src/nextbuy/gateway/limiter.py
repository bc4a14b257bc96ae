"""Rate limits that several gateways share through Redis, and that each keeps alone while Redis is away.

Tokens are taken from Redis in small batches and spent here, so most requests ask nobody. The bucket in Redis is one
number, the moment at which it will be full again (the generic cell rate algorithm), changed by one script on the clock
of Redis.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from nextbuy.contracts.errors import AppError, TooManyRequests
from nextbuy.gateway.limits import Limit, Tokens, limit_for, subject_of, token_in
from nextbuy.kit.http.tokens import TokenVerifier
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError, BreakerPolicy

MOST: Final = 50_000
"""Subjects that are remembered here; whoever has not asked for longest is forgotten first (Redis still knows)."""
STORE_SECONDS: Final = 0.05
"""Seconds that Redis has for an answer."""
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
    """What is needed of a Redis client."""

    def register_script(self, script: Any) -> Any:  # noqa: ANN401 (the client's own types are no better)
        """Return the script as an awaitable function of `keys` and `args`."""
        ...


class SlowDown(TooManyRequests):
    """Too many requests, with the limit that they are too many for."""

    def __init__(self, limit: Limit, wait: float) -> None:
        """Refuse under `limit`, for `wait` seconds."""
        super().__init__(
            f"Too many requests; try again in {wait:.0f} s."
            if wait >= 1
            else "Too many requests; try again in a moment.",
            retry_after=wait,
        )
        self.headers = limit.refusal(wait)


class Limiter:
    """The rate limits of one gateway."""

    def __init__(self, redis: Store, verifier: TokenVerifier, *, now: Callable[[], float] = time.monotonic) -> None:
        """Count in `redis`; `verifier` says whose a token is."""
        self._take = redis.register_script(_TAKE)
        self._verifier = verifier
        self._now = now
        self._breaker = Breaker(now, _REDIS_POLICY)
        self._tokens: OrderedDict[tuple[str, str], Tokens] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def admit(self, method: str, path: str, headers: Mapping[str, str], address: str) -> None:
        """Let a request through.

        Raises:
            SlowDown: whoever asks has asked too often.
        """
        limit = limit_for(method, path)
        if limit is None:
            return
        key = (limit.name, await self._subject(limit, headers, address))
        tokens = self._tokens.get(key)
        if tokens is None:
            tokens = self._tokens[key] = Tokens(limit)
            if len(self._tokens) > MOST:
                self._tokens.popitem(last=False)
        else:
            self._tokens.move_to_end(key)
        if not tokens.spend():
            await self._refill(limit, key, tokens)

    async def close(self) -> None:
        """Give up what Redis is still being asked."""
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _subject(self, limit: Limit, headers: Mapping[str, str], address: str) -> str:
        token = None if limit.by_address else token_in(headers)
        if token is not None:
            try:
                return str((await self._verifier.verify(token)).account_id)
            except AppError:
                # Not a token of ours, or auth cannot be asked: an address is known in any case.
                pass
        return subject_of(address)

    async def _refill(self, limit: Limit, key: tuple[str, str], tokens: Tokens) -> None:
        while True:
            wait = tokens.wait(self._now())
            if wait > 0:
                raise SlowDown(limit, wait)
            task = self._asking.get(key)
            if task is None:
                try:
                    permit = self._breaker.admit()
                except BreakerOpenError:
                    return self._without_store(limit, tokens)
                # A task of its own, not cancelled by whoever waits: a connection whose answer nobody read would give it
                # to the next who asks.
                task = self._asking[key] = asyncio.create_task(self._ask(limit, key, tokens))
                task.add_done_callback(lambda task: self._asked(key, task))
                await asyncio.wait({task}, timeout=STORE_SECONDS)
                if task.done() and task.exception() is None:
                    permit.success()
                else:
                    permit.failure()
            else:
                await asyncio.wait({task}, timeout=STORE_SECONDS)
            if not task.done() or task.exception() is not None:
                return self._without_store(limit, tokens)
            if tokens.spend():
                return None

    def _asked(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._asking[key]
        # Looked at even where nobody waits any more, or it would be told of as an error that nobody saw.
        if not task.cancelled():
            task.exception()

    async def _ask(self, limit: Limit, key: tuple[str, str], tokens: Tokens) -> None:
        taken, wait = await self._take(
            keys=[f"nextbuy:rate:{key[0]}:{key[1]}"], args=[limit.burst, limit.rate, limit.batch]
        )
        if taken:
            tokens.taken(int(taken), self._now())
        else:
            tokens.empty_until = self._now() + float(wait)

    def _without_store(self, limit: Limit, tokens: Tokens) -> None:
        wait = tokens.spend_own(self._now())
        if wait:
            raise SlowDown(limit, wait)
