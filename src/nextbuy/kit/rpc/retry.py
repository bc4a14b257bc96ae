"""What retries may cost: a token bucket, a budget of retries on top of it, and the wait before each.

All of it is arithmetic on a clock that is handed in (monotonic seconds): no I/O, nothing awaited, so nothing locked.
"""

import math
from collections.abc import Callable
from typing import Final

# Seconds: more than the rounding of any monotonic clock held in a float, less than anyone can wait.
_ROUNDING: Final = 1e-6


class TokenBucket:
    """A rate limit: `capacity` tokens at most, `refill` more each second; it starts full.

    Only the moment at which the bucket will be full again is kept (the generic cell rate algorithm): nothing has to be
    refilled, and a wait that was told is long enough.
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
        """Put `n` tokens in; what would be more than the capacity is lost."""
        self._full_at -= n / self.refill

    def available(self, now: float) -> float:
        """Tokens that are in the bucket."""
        return max(0.0, self.capacity - max(0.0, self._full_at - now) * self.refill)


class RetryBudget:
    """How many retries a callee may cost: a share of the first attempts, so that retries do not multiply an outage.

    Each first attempt earns `share` of a retry, up to `cap` saved; `floor` retries a second are earned by time alone,
    so that little traffic can retry too. It starts with the cap.
    """

    def __init__(self, now: Callable[[], float], *, share: float = 0.1, cap: float = 10.0, floor: float = 1.0) -> None:
        self._now = now
        self._share = share
        self._bucket = TokenBucket(cap, floor)

    def deposit(self) -> None:
        """Count a first attempt."""
        self._bucket.give(self._share)

    def withdraw(self) -> bool:
        """Pay for one retry; false where there is nothing to pay with, and then it must not be made."""
        return self._bucket.take(1, self._now()) == 0.0


def backoff(attempt: int, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """Return how many seconds to wait before retry `attempt`, counted from 0: anything up to `base` doubled that often.

    This is "full jitter" as in Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, where it
    costs the callee the least of the schemes compared. `random` returns a number from 0 to 1.
    """
    # Past 64 doublings any cap is reached, and far past it a float overflows.
    return random() * min(cap, base * 2.0 ** min(attempt, 64))
