"""Retries: a token bucket, the retry budget built on it, and the backoff.

Arithmetic on a clock that is passed in (monotonic seconds), without I/O. Nothing awaits, so nothing needs a lock.
"""

import math
from collections.abc import Callable
from typing import Final

ATTEMPT_SHARE: Final = 1 / 3
"""The share of the remaining time for an attempt that can be followed by another, so that a hang is retried."""
_ROUNDING: Final = 1e-6
"""Seconds. Larger than the rounding error of a monotonic clock, smaller than any wait that matters."""


class TokenBucket:
    """A rate limit: at most `capacity` tokens, `refill` more each second. It starts full.

    Only the time at which the bucket is full again is stored (the generic cell rate algorithm), so no task refills it,
    and a wait that was returned is long enough.
    """

    __slots__ = ("_full_at", "capacity", "refill")

    def __init__(self, capacity: float, refill: float) -> None:
        if capacity <= 0 or refill <= 0:
            msg = "a token bucket needs a capacity and a refill above zero"
            raise ValueError(msg)
        self.capacity = capacity
        self.refill = refill
        self._full_at = -math.inf

    def take(self, n: float, now: float) -> float:
        """Take `n` tokens and return 0.0, or take none and return the seconds until there would be `n`."""
        if not 0 <= n <= self.capacity:
            msg = f"{n} tokens can never be taken from a bucket of {self.capacity}"
            raise ValueError(msg)
        full_at = max(self._full_at, now) + n / self.refill
        wait = full_at - now - self.capacity / self.refill
        if wait > _ROUNDING:
            return wait
        self._full_at = full_at
        return 0.0

    def give(self, n: float) -> None:
        """Add `n` tokens, up to the capacity."""
        self._full_at -= n / self.refill

    def available(self, now: float) -> float:
        """Return the number of tokens in the bucket."""
        return max(0.0, self.capacity - max(0.0, self._full_at - now) * self.refill)


class RetryBudget:
    """The retries that a callee may receive: a share of the first attempts, so that retries do not amplify an outage.

    Each first attempt earns `share` of a retry, up to a balance of `cap`. Time earns `floor` retries a second, so that
    low traffic can retry too. The balance starts at `cap`.
    """

    def __init__(self, now: Callable[[], float], *, share: float = 0.1, cap: float = 10.0, floor: float = 1.0) -> None:
        self._now = now
        self._share = share
        self._bucket = TokenBucket(cap, floor)

    def deposit(self) -> None:
        """Count a first attempt."""
        self._bucket.give(self._share)

    def withdraw(self) -> bool:
        """Reserve one retry; return false if none is left and the retry must not be made."""
        return self._bucket.take(1, self._now()) == 0.0

    def put_back(self) -> None:
        """Return a retry that was reserved and not made."""
        self._bucket.give(1)


def backoff(attempt: int, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """Return the seconds to wait before retry `attempt`, counted from 0: a random part of `base * 2**attempt`.

    This is "full jitter" (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), the scheme that
    costs the callee least. `cap` bounds the wait; `random` returns a number from 0 to 1.
    """
    # After 64 doublings every cap is reached; far beyond, a float overflows.
    return random() * min(cap, base * 2.0 ** min(attempt, 64))
