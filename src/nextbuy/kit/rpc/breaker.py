"""The circuit breaker: what keeps calls away from a callee in trouble, and lets them back bit by bit.

A state machine on a clock that is handed in (monotonic seconds): no I/O, nothing awaited. One breaker serves one event
loop, and since nothing here awaits, nothing here locks.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["closed", "open", "half-open"]
Outcome = Literal["success", "failure", "abandoned"]

_BUCKETS: Final = 10
# All probe places are taken, and nobody knows for how long; a refused caller is still told a time to wait.
_PROBE_WAIT: Final = 1.0


class BreakerOpenError(Exception):
    """The breaker lets no call through; asking again makes sense after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"open for another {retry_after:.3f} s")
        self.retry_after = retry_after


class Permit:
    """Leave for one call, which its holder must settle: the first method called counts, any later one does nothing.

    So `finally: permit.abandon()` is right after a result as well as after a cancellation. A permit that is never
    settled keeps its probe place for good.
    """

    __slots__ = ("_period", "_settle")

    def __init__(self, settle: Callable[[int, Outcome], None], period: int) -> None:
        self._settle: Callable[[int, Outcome], None] | None = settle
        self._period = period

    def success(self) -> None:
        """Report that the callee answered; a refusal is an answer."""
        self._report("success")

    def failure(self) -> None:
        """Report that the callee is broken or did not answer in time."""
        self._report("failure")

    def cancel(self) -> None:
        """Give the place back without a result: the caller went away before there was one."""
        self._report("abandoned")

    def _report(self, outcome: Outcome) -> None:
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(self._period, outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, for how long, and what closes it; all times in seconds."""

    window: float = 10.0
    min_calls: int = 10
    failure_ratio: float = 0.5
    consecutive_failures: int = 5
    reset_after: float = 5.0
    reset_cap: float = 10.0
    probes: int = 2
    successes_to_close: int = 2


DEFAULT_BREAKER_POLICY: Final = BreakerPolicy()


class Breaker:
    """The circuit breaker of one callee.

    - closed: every call goes through. It opens when the sliding window holds at least `min_calls` results of which
      `failure_ratio` or more failed, in whatever order, or after `consecutive_failures` without a success between.
    - open: no call goes through for `reset_after` seconds; each failed round of probes doubles that, up to `reset_cap`.
    - half-open: at most `probes` calls are under way at once. One failure opens it, `successes_to_close` close it.

    A result belongs to the period in which its call was admitted, and counts in no other: stragglers from before the
    opening neither fail nor pass the probing. A probe holds its place until it is settled, even into the next round.

    What counts as a failure is the caller's to say. A 4xx does not, nor a 429: that callee is healthy and says so, and
    to trip on it would turn a busy hour into an outage.
    """

    def __init__(self, now: Callable[[], float], policy: BreakerPolicy = DEFAULT_BREAKER_POLICY) -> None:
        self._now = now
        self._policy = policy
        self._state: State = "closed"
        self._period = 0
        self._window = _Window(policy.window, now())
        self._failures_in_a_row = 0
        self._wait = policy.reset_after
        self._open_until = -math.inf
        self._probing = 0
        self._probes_passed = 0

    @property
    def state(self) -> State:
        """The state that a call made now would meet."""
        if self._state == "open" and self._now() >= self._open_until:
            return "half-open"
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be let through; 0.0 where one would be now."""
        if self._state == "closed":
            return 0.0
        wait = self._open_until - self._now()
        if wait > 0:
            return wait
        return _PROBE_WAIT if self._probing >= self._policy.probes else 0.0

    def admit(self) -> Permit:
        """Let one call through, or raise `Open`."""
        if self._state == "closed":
            return Permit(self._settle_call, self._period)
        wait = self.retry_after
        if wait > 0:
            raise BreakerOpenError(wait)
        if self._state == "open":
            self._enter("half-open")
            self._probes_passed = 0
        self._probing += 1
        return Permit(self._settle_probe, self._period)

    def _settle_call(self, period: int, outcome: Outcome) -> None:
        if period != self._period or outcome == "abandoned":
            return
        failed = outcome == "failure"
        self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        self._window.add(self._now(), failed=failed)
        if self._window.failures and self._fails_too_often():
            self._open()

    def _fails_too_often(self) -> bool:
        window, policy = self._window, self._policy
        return self._failures_in_a_row >= policy.consecutive_failures or (
            window.results >= policy.min_calls and window.failures >= policy.failure_ratio * window.results
        )

    def _settle_probe(self, period: int, outcome: Outcome) -> None:
        self._probing -= 1
        if period != self._period or outcome == "abandoned":
            return
        if outcome == "failure":
            self._wait = min(self._wait * 2, self._policy.reset_cap)
            self._open()
            return
        self._probes_passed += 1
        if self._probes_passed >= self._policy.successes_to_close:
            self._close()

    def _open(self) -> None:
        self._enter("open")
        self._open_until = self._now() + self._wait

    def _close(self) -> None:
        self._enter("closed")
        self._window = _Window(self._policy.window, self._now())
        self._failures_in_a_row = 0
        self._wait = self._policy.reset_after

    def _enter(self, state: State) -> None:
        self._state = state
        self._period += 1


class _Window:
    """Counts of results over the last `length` seconds, to a tenth of it: O(1) to add to, whatever the traffic."""

    __slots__ = ("_bucket", "_bucket_ends", "_buckets", "_width", "failures", "results")

    def __init__(self, length: float, now: float) -> None:
        self.results = 0
        self.failures = 0
        self._width = length / _BUCKETS
        self._bucket_ends = now + self._width
        self._bucket = [0, 0]
        self._buckets = deque([*([0, 0] for _ in range(_BUCKETS - 1)), self._bucket])

    def add(self, now: float, *, failed: bool) -> None:
        if now >= self._bucket_ends:
            self._slide(now)
        self.results += 1
        self._bucket[0] += 1
        if failed:
            self.failures += 1
            self._bucket[1] += 1

    def _slide(self, now: float) -> None:
        steps = int((now - self._bucket_ends) / self._width) + 1
        self._bucket_ends += steps * self._width
        for _ in range(min(steps, _BUCKETS)):
            results, failures = self._buckets.popleft()
            self.results -= results
            self.failures -= failures
            self._bucket = [0, 0]
            self._buckets.append(self._bucket)
