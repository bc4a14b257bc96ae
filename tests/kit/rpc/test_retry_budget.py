"""Retries are limited to a share of first attempts and delayed at random, so that they do not amplify an outage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.kit.rpc.retry import RetryBudget, backoff


def at_one_moment() -> float:
    return 1000.0


def spent_budget() -> RetryBudget:
    budget = RetryBudget(at_one_moment)
    while budget.withdraw():
        pass
    return budget


def test_new_budget_allows_ten_retries() -> None:
    budget = RetryBudget(at_one_moment)
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]


def test_ten_attempts_earn_one_retry() -> None:
    budget = spent_budget()
    for _ in range(9):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()
    assert not budget.withdraw()


def test_at_most_ten_retries_are_saved() -> None:
    budget = RetryBudget(at_one_moment)
    for _ in range(1000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]


def test_low_traffic_may_retry_once_a_second() -> None:
    seconds = [0.0]
    budget = RetryBudget(lambda: seconds[0])
    while budget.withdraw():
        pass
    for _ in range(5):
        seconds[0] += 1.0
        assert budget.withdraw()
        assert not budget.withdraw()


def test_share_cap_and_floor_are_parameters() -> None:
    budget = RetryBudget(at_one_moment, share=0.5, cap=2.0, floor=3.0)
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    budget.deposit()
    budget.deposit()
    assert [budget.withdraw() for _ in range(2)] == [True, False]


@given(st.lists(st.sampled_from(["first attempt", "retry", "a tenth of a second"]), max_size=300))
def test_retries_stay_within_cap_share_and_floor(acts: list[str]) -> None:
    tenths = [0]
    budget = RetryBudget(lambda: tenths[0] / 10)
    attempts = retries = 0
    for act in acts:
        if act == "first attempt":
            attempts += 1
            budget.deposit()
        elif act == "retry":
            retries += budget.withdraw()
        else:
            tenths[0] += 1
        assert retries * 10 <= 100 + attempts + tenths[0]


def test_maximum_delay_doubles_up_to_cap() -> None:
    waits = [backoff(attempt, base=0.5, cap=3.0, random=lambda: 1.0) for attempt in range(5)]
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_minimum_delay_is_zero() -> None:
    assert backoff(3, base=0.5, cap=3.0, random=lambda: 0.0) == 0.0


@pytest.mark.parametrize("attempt", [64, 1_000, 10**9])
def test_any_attempt_has_delay(attempt: int) -> None:
    assert backoff(attempt, base=0.05, cap=2.0, random=lambda: 1.0) == 2.0


@given(st.integers(0, 100), st.floats(0.001, 10), st.floats(0.001, 100), st.floats(0, 1, exclude_max=True))
def test_delay_is_between_zero_and_cap(attempt: int, base: float, cap: float, chance: float) -> None:
    assert 0.0 <= backoff(attempt, base=base, cap=cap, random=lambda: chance) <= cap
