"""Retries are a share of the first attempts, each waits a random while, and an outage is not multiplied by them."""

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


def test_a_new_budget_pays_for_ten_retries_and_then_no_more() -> None:
    budget = RetryBudget(at_one_moment)
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]


def test_ten_first_attempts_earn_one_retry() -> None:
    budget = spent_budget()
    for _ in range(9):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()
    assert not budget.withdraw()


def test_no_more_than_ten_retries_can_be_saved() -> None:
    budget = RetryBudget(at_one_moment)
    for _ in range(1000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]


def test_little_traffic_may_retry_once_a_second() -> None:
    seconds = [0.0]
    budget = RetryBudget(lambda: seconds[0])
    while budget.withdraw():
        pass
    for _ in range(5):
        seconds[0] += 1.0
        assert budget.withdraw()
        assert not budget.withdraw()


def test_share_cap_and_floor_can_be_chosen() -> None:
    budget = RetryBudget(at_one_moment, share=0.5, cap=2.0, floor=3.0)
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    budget.deposit()
    budget.deposit()
    assert [budget.withdraw() for _ in range(2)] == [True, False]


@given(st.lists(st.sampled_from(["first attempt", "retry", "a tenth of a second"]), max_size=300))
def test_retries_never_outgrow_the_cap_the_share_and_the_floor(acts: list[str]) -> None:
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


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    waits = [backoff(attempt, base=0.5, cap=3.0, random=lambda: 1.0) for attempt in range(5)]
    assert waits == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_shortest_wait_is_none_at_all() -> None:
    assert backoff(3, base=0.5, cap=3.0, random=lambda: 0.0) == 0.0


@pytest.mark.parametrize("attempt", [64, 1_000, 10**9])
def test_no_number_of_attempts_is_too_many(attempt: int) -> None:
    assert backoff(attempt, base=0.05, cap=2.0, random=lambda: 1.0) == 2.0


@given(st.integers(0, 100), st.floats(0.001, 10), st.floats(0.001, 100), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_between_nothing_and_the_cap(attempt: int, base: float, cap: float, chance: float) -> None:
    assert 0.0 <= backoff(attempt, base=base, cap=cap, random=lambda: chance) <= cap
