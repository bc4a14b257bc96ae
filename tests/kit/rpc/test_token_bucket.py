"""A token bucket never lets more through than its capacity and its refill allow, and says how long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.kit.rpc.retry import TokenBucket

capacities = st.floats(1, 1000)
refills = st.floats(0.01, 1000)
moments = st.floats(0, 1e7)
steps = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 1), st.sampled_from(["take", "give"])), min_size=1, max_size=50
)


def test_a_new_bucket_gives_its_whole_capacity_at_once_and_then_no_more() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    assert [bucket.take(1, now=100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_refusal_takes_nothing() -> None:
    bucket = TokenBucket(capacity=3, refill=2)
    bucket.take(2, now=0.0)
    assert bucket.take(3, now=0.0) == 1.0
    assert bucket.take(1, now=0.0) == 0.0


def test_tokens_come_back_with_time() -> None:
    bucket = TokenBucket(capacity=3, refill=2)
    bucket.take(3, now=0.0)
    assert bucket.available(0.5) == 1.0
    assert bucket.take(1, now=0.5) == 0.0
    assert bucket.take(1, now=0.5) == 0.5


def test_idling_does_not_save_more_than_the_capacity() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    assert bucket.available(0.0) == 3.0
    assert bucket.take(3, now=1e6) == 0.0
    assert bucket.take(1, now=1e6) == 1.0


def test_tokens_given_back_can_be_taken_again() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    bucket.take(3, now=0.0)
    bucket.give(2)
    assert bucket.take(2, now=0.0) == 0.0
    assert bucket.take(1, now=0.0) == 1.0


def test_nothing_can_always_be_taken() -> None:
    bucket = TokenBucket(capacity=1, refill=1)
    bucket.take(1, now=0.0)
    assert bucket.take(0, now=0.0) == 0.0


@pytest.mark.parametrize("n", [-1, 3.5])
def test_what_no_wait_could_ever_give_is_an_error_and_not_a_wait(n: float) -> None:
    with pytest.raises(ValueError, match="can never be taken"):
        TokenBucket(capacity=3, refill=1).take(n, now=0.0)


@pytest.mark.parametrize(("capacity", "refill"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_a_bucket_that_could_never_give_cannot_be_made(capacity: float, refill: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TokenBucket(capacity, refill)


@given(capacities, refills, moments, steps)
def test_it_never_holds_more_than_its_capacity_nor_less_than_nothing(
    capacity: float, refill: float, now: float, steps: list[tuple[float, float, str]]
) -> None:
    bucket = TokenBucket(capacity, refill)
    for passed, share, act in steps:
        now += passed
        bucket.take(share * capacity, now) if act == "take" else bucket.give(share * capacity)
        assert 0 <= bucket.available(now) <= capacity


@given(capacities, refills, moments, steps)
def test_it_never_gives_more_than_the_capacity_and_what_time_refilled(
    capacity: float, refill: float, start: float, steps: list[tuple[float, float, str]]
) -> None:
    bucket = TokenBucket(capacity, refill)
    now, taken = start, 0.0
    for passed, share, _ in steps:
        now += passed
        if bucket.take(share * capacity, now) == 0.0:
            taken += share * capacity
        assert taken <= capacity + (now - start) * refill + 1e-5 * refill


@given(capacities, refills, moments, st.floats(0, 1), st.floats(0, 1))
def test_whoever_waits_as_told_is_served(
    capacity: float, refill: float, now: float, first: float, second: float
) -> None:
    bucket = TokenBucket(capacity, refill)
    bucket.take(capacity, now)
    bucket.give(first * capacity)
    wait = bucket.take(second * capacity, now)
    assert wait == 0.0 or bucket.take(second * capacity, now + wait) == 0.0
