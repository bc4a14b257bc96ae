"""The breaker stops calls to a failing callee, and admits them again step by step."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError, BreakerPolicy, Permit, State

Settlement = Literal["success", "failure", "cancel"]


@dataclass
class HandTurnedClock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def turn(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Callee:
    """A breaker with a clock that tests advance."""

    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    clock: HandTurnedClock = field(default_factory=HandTurnedClock)
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.clock, self.policy)

    def state(self) -> State:
        return self.breaker.state

    def answers(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit().success()

    def fails(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit().failure()

    def refuses_for(self) -> float:
        with pytest.raises(BreakerOpenError) as refusal:
            self.breaker.admit()
        return refusal.value.retry_after


@pytest.fixture
def callee() -> Callee:
    return Callee()


@pytest.fixture
def broken() -> Callee:
    callee = Callee()
    callee.fails(5)
    return callee


def test_healthy_callee_is_always_called(callee: Callee) -> None:
    callee.answers(1000)
    assert callee.state() == "closed"
    assert callee.breaker.retry_after == 0.0


def test_five_consecutive_failures_open_breaker(callee: Callee) -> None:
    callee.fails(4)
    assert callee.state() == "closed"
    callee.clock.turn(3600)
    callee.fails()
    assert callee.state() == "open"


def test_success_resets_consecutive_failures(callee: Callee) -> None:
    callee.answers(10)
    callee.fails(4)
    callee.answers()
    callee.fails(4)
    assert callee.state() == "closed"


def test_half_of_ten_results_failing_opens_breaker() -> None:
    for order in ("FFFSSSSSFF", "SSSFFSFFFS"):
        callee = Callee()
        for result in order[:-1]:
            callee.fails() if result == "F" else callee.answers()
            assert callee.state() == "closed"
        callee.fails() if order[-1] == "F" else callee.answers()
        assert callee.state() == "open", order


def test_fewer_failures_than_half_leave_breaker_closed(callee: Callee) -> None:
    for _ in range(100):
        callee.answers(2)
        callee.fails()
    assert callee.state() == "closed"


def test_failures_older_than_window_do_not_count(callee: Callee) -> None:
    for _ in range(3):
        callee.fails(3)
        callee.answers()
        callee.clock.turn(10)
    assert callee.state() == "closed"


def test_failures_in_whole_window_count(callee: Callee) -> None:
    for _ in range(4):
        callee.fails()
        callee.answers()
        callee.clock.turn(2)
    callee.fails()
    callee.answers()
    assert callee.state() == "open"


def test_successes_older_than_window_do_not_count(callee: Callee) -> None:
    callee.answers(30)
    callee.clock.turn(5)
    for _ in range(3):
        callee.fails(2)
        callee.answers()
    callee.clock.turn(5)
    assert callee.state() == "closed"
    callee.fails()
    assert callee.state() == "open"


def test_open_breaker_refuses_until_reset_time(broken: Callee) -> None:
    assert broken.refuses_for() == 5.0
    broken.clock.turn(4.5)
    assert broken.refuses_for() == 0.5
    assert broken.breaker.retry_after == 0.5
    assert broken.state() == "open"
    broken.clock.turn(0.5)
    assert broken.state() == "half-open"
    assert broken.breaker.retry_after == 0.0
    broken.breaker.admit()


def test_half_open_admits_two_concurrent_probes(broken: Callee) -> None:
    broken.clock.turn(5)
    first, _second = broken.breaker.admit(), broken.breaker.admit()
    assert broken.refuses_for() == broken.breaker.retry_after > 0
    first.success()
    broken.breaker.admit()
    broken.refuses_for()


def test_two_successful_probes_close_with_empty_window(broken: Callee) -> None:
    broken.clock.turn(5)
    broken.answers()
    assert broken.state() == "half-open"
    broken.answers()
    assert broken.state() == "closed"
    broken.fails(4)
    assert broken.state() == "closed"


def test_failed_probe_doubles_reset_time(broken: Callee) -> None:
    broken.clock.turn(5)
    broken.answers()
    broken.fails()
    assert broken.refuses_for() == 10.0


def test_reset_time_is_capped(broken: Callee) -> None:
    waits = []
    for _ in range(6):
        waits.append(broken.refuses_for())
        broken.clock.turn(waits[-1])
        broken.fails()
    assert waits == [5.0, 10.0, 10.0, 10.0, 10.0, 10.0]


def test_two_failed_probes_of_round_double_reset_time_once(broken: Callee) -> None:
    broken.clock.turn(5)
    probes = broken.breaker.admit(), broken.breaker.admit()
    for probe in probes:
        probe.failure()
    assert broken.refuses_for() == 10.0


def test_recovery_restores_initial_reset_time(broken: Callee) -> None:
    broken.clock.turn(5)
    broken.fails()
    broken.clock.turn(10)
    broken.answers(2)
    broken.fails(5)
    assert broken.refuses_for() == 5.0


@pytest.mark.parametrize("late", ["success", "failure", "cancel"])
def test_late_result_does_not_count_as_probe(late: Settlement) -> None:
    callee = Callee()
    stragglers = [callee.breaker.admit() for _ in range(3)]
    callee.fails(5)
    callee.clock.turn(5)
    callee.breaker.admit().success()
    for straggler in stragglers:
        getattr(straggler, late)()
    assert callee.state() == "half-open"
    callee.answers()
    assert callee.state() == "closed"


def test_late_result_does_not_count_after_recovery(callee: Callee) -> None:
    stragglers = [callee.breaker.admit() for _ in range(5)]
    callee.fails(5)
    callee.clock.turn(5)
    callee.answers(2)
    for straggler in stragglers:
        straggler.failure()
    assert callee.state() == "closed"


def test_slow_probe_occupies_place_in_next_round(broken: Callee) -> None:
    broken.clock.turn(5)
    slow, quick = broken.breaker.admit(), broken.breaker.admit()
    quick.failure()
    broken.clock.turn(10)
    broken.breaker.admit()
    broken.refuses_for()
    slow.failure()
    assert broken.state() == "half-open"
    broken.breaker.admit()


def test_cancelled_probe_frees_place_without_counting(broken: Callee) -> None:
    broken.clock.turn(5)
    for _ in range(20):
        broken.breaker.admit().cancel()
    assert broken.state() == "half-open"
    broken.answers(2)
    assert broken.state() == "closed"


def test_cancelled_call_does_not_count(callee: Callee) -> None:
    callee.fails(4)
    for _ in range(20):
        callee.breaker.admit().cancel()
    assert callee.state() == "closed"
    callee.fails()
    assert callee.state() == "open"


def test_permit_reported_twice_counts_once(callee: Callee) -> None:
    callee.answers(10)
    permit = callee.breaker.admit()
    for _ in range(10):
        permit.failure()
    assert callee.state() == "closed"


def test_probe_reported_twice_frees_one_place(broken: Callee) -> None:
    broken.clock.turn(5)
    first, _second = broken.breaker.admit(), broken.breaker.admit()
    first.cancel()
    first.cancel()
    broken.breaker.admit()
    broken.refuses_for()


def test_policy_can_be_changed() -> None:
    callee = Callee(BreakerPolicy(consecutive_failures=2, reset_after=1.0, probes=1, successes_to_close=3))
    callee.fails(2)
    assert callee.refuses_for() == 1.0
    callee.clock.turn(1)
    probe = callee.breaker.admit()
    callee.refuses_for()
    probe.success()
    callee.answers()
    assert callee.state() == "half-open"
    callee.answers()
    assert callee.state() == "closed"


@given(st.lists(st.sampled_from("FS"), max_size=60))
def test_breaker_opens_exactly_by_its_counts_in_one_window(results: list[str]) -> None:
    callee = Callee()
    for count, result in enumerate(results, start=1):
        callee.fails() if result == "F" else callee.answers()
        seen = results[:count]
        by_ratio = count >= 10 and seen.count("F") * 2 >= count
        by_row = seen[-5:] == ["F"] * 5
        assert callee.state() == ("open" if by_ratio or by_row else "closed")
        if callee.state() == "open":
            break


class CallsInAnyOrder(RuleBasedStateMachine):
    """Random sequences of starts, results, cancellations, and delays; the invariants of the breaker always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.callee = Callee(BreakerPolicy(min_calls=4, consecutive_failures=3))
        self.under_way: list[Permit] = []
        self.probes: list[Permit] = []
        self.opened_at = 0.0
        self.retry_after = 0.0

    @rule()
    def a_call_begins(self) -> None:
        breaker, clock = self.callee.breaker, self.callee.clock
        before = breaker.state
        if before == "open" or (before == "half-open" and len(self.probes) == 2):
            assert self.callee.refuses_for() == breaker.retry_after > 0
            return
        permit = breaker.admit()
        if before == "half-open":
            assert clock.seconds >= self.opened_at + self.retry_after
            self.probes.append(permit)
        else:
            self.under_way.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["success", "failure", "cancel"]))
    def a_call_ends(self, data: st.DataObject, how: Settlement) -> None:
        self._settle(self.under_way, data, how)

    @precondition(lambda self: self.probes)
    @rule(data=st.data(), how=st.sampled_from(["success", "failure", "cancel"]))
    def a_probe_ends(self, data: st.DataObject, how: Settlement) -> None:
        self._settle(self.probes, data, how)

    @rule(quarters=st.integers(1, 60))
    def time_passes(self, quarters: int) -> None:
        self.callee.clock.turn(quarters / 4)

    @rule()
    def the_wait_passes(self) -> None:
        self.callee.clock.turn(self.callee.breaker.retry_after)

    def _settle(self, permits: list[Permit], data: st.DataObject, how: Settlement) -> None:
        breaker = self.callee.breaker
        before = breaker.state
        getattr(permits.pop(data.draw(st.integers(0, len(permits) - 1))), how)()
        if breaker.state == "open" and before != "open":
            assert how != "cancel"
            self.opened_at = self.callee.clock.seconds
            self.retry_after = breaker.retry_after
            assert 5.0 <= self.retry_after <= 10.0

    @invariant()
    def no_more_than_two_probes_are_under_way(self) -> None:
        assert len(self.probes) <= 2

    @invariant()
    def every_place_is_held_by_a_probe_under_way(self) -> None:
        assert self.callee.breaker._probing == len(self.probes)

    @invariant()
    def no_count_is_negative(self) -> None:
        window = self.callee.breaker._window
        assert 0 <= window.failures <= window.results
        assert self.callee.breaker._failures_in_a_row >= 0

    @invariant()
    def the_state_and_the_wait_agree(self) -> None:
        state, wait = self.callee.breaker.state, self.callee.breaker.retry_after
        assert wait >= 0
        assert (wait == 0) == (state == "closed" or (state == "half-open" and len(self.probes) < 2))


TestCallsInAnyOrder = CallsInAnyOrder.TestCase
