"""A circuit breaker: it stops calls to a callee that fails, and lets them through again step by step.

A state machine on a clock that is passed in (monotonic seconds), without I/O. One breaker serves one event loop;
nothing here awaits, so nothing needs a lock.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["closed", "open", "half-open"]
Outcome = Literal["success", "failure", "cancelled"]

_BUCKETS: Final = 10
_PROBE_WAIT: Final = 1.0
"""Seconds; the Retry-After while all probes are in flight, since their end is unknown."""


class BreakerOpenError(Exception):
    """The breaker refuses a call; it may admit one after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"breaker open for another {retry_after:.3f} s")
        self.retry_after = retry_after


class Permit:
    """The permission for one call, whose outcome its holder must report.

    The first report counts and later ones do nothing, so `finally: permit.cancel()` is right after a result too. A
    probe whose permit gets no report stays in flight for good.
    """

    __slots__ = ("_period", "_record")

    def __init__(self, record: Callable[[int, Outcome], None], period: int) -> None:
        self._record: Callable[[int, Outcome], None] | None = record
        self._period = period

    def success(self) -> None:
        """Report that the callee responded; a refusal is a response."""
        self._report("success")

    def failure(self) -> None:
        """Report that the callee failed or did not respond in time."""
        self._report("failure")

    def cancel(self) -> None:
        """Report that the caller gave up before there was a result."""
        self._report("cancelled")

    def _report(self, outcome: Outcome) -> None:
        record, self._record = self._record, None
        if record is not None:
            record(self._period, outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, for how long, and what closes it. See `Breaker`."""

    window: float = 10.0
    """Seconds of results that count."""
    min_calls: int = 10
    failure_ratio: float = 0.5
    consecutive_failures: int = 5
    reset_after: float = 5.0
    """Seconds until an open breaker admits probes."""
    reset_cap: float = 10.0
    """Seconds; the upper bound of the doubled `reset_after`."""
    probes: int = 2
    successes_to_close: int = 2


DEFAULT_BREAKER_POLICY: Final = BreakerPolicy()


class Breaker:
    """The circuit breaker of one callee.

    - closed: every call is admitted. It opens if at least `failure_ratio` of the results in the sliding window failed,
      given `min_calls` results, or after `consecutive_failures` without a success in between.
    - open: no call is admitted for `reset_after` seconds; each failed round of probes doubles that, up to `reset_cap`.
    - half-open: at most `probes` calls are in flight. One failure opens it, `successes_to_close` close it.

    A result counts only until the state changes after its admission: late results from before the opening neither fail
    nor pass the probes. A probe is in flight until it is reported, even into the next round.

    The caller decides what counts as a failure; a 4xx does not, nor a 429. That callee works, and opening on its
    refusals would turn a busy hour into an outage.
    """

    def __init__(
        self,
        now: Callable[[], float],
        policy: BreakerPolicy = DEFAULT_BREAKER_POLICY,
        on_change: Callable[[State], None] | None = None,
    ) -> None:
        """Start closed; `on_change` is called with each new state, and must not block."""
        self._now = now
        self._policy = policy
        self._on_change = on_change
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
        """The state that the next call meets."""
        if self._state == "open" and self._now() >= self._open_until:
            return "half-open"
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be admitted; 0.0 if the next call is admitted."""
        if self._state == "closed":
            return 0.0
        wait = self._open_until - self._now()
        if wait > 0:
            return wait
        return _PROBE_WAIT if self._probing >= self._policy.probes else 0.0

    def admit(self) -> Permit:
        """Admit one call, or raise BreakerOpenError."""
        if self._state == "closed":
            return Permit(self._record_call, self._period)
        wait = self.retry_after
        if wait > 0:
            raise BreakerOpenError(wait)
        if self._state == "open":
            self._enter("half-open")
            self._probes_passed = 0
        self._probing += 1
        return Permit(self._record_probe, self._period)

    def _record_call(self, period: int, outcome: Outcome) -> None:
        if period != self._period or outcome == "cancelled":
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

    def _record_probe(self, period: int, outcome: Outcome) -> None:
        self._probing -= 1
        if period != self._period or outcome == "cancelled":
            return
        if outcome == "failure":
            self._wait = min(self._wait * 2, self._policy.reset_cap)
            self._open()
            return
        self._probes_passed += 1
        if self._probes_passed >= self._policy.successes_to_close:
            self._close()

    def _open(self) -> None:
        self._open_until = self._now() + self._wait
        self._enter("open")

    def _close(self) -> None:
        self._window = _Window(self._policy.window, self._now())
        self._failures_in_a_row = 0
        self._wait = self._policy.reset_after
        self._enter("closed")

    def _enter(self, state: State) -> None:
        self._state = state
        self._period += 1
        if self._on_change is not None:
            self._on_change(state)


class _Window:
    """Counts of results over the last `length` seconds, exact to a tenth of it; adding a result is O(1)."""

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
