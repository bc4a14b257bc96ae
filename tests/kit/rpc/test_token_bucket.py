"""A token bucket never grants more than its capacity and refill, and returns the time to wait."""

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


def test_new_bucket_grants_its_capacity() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    assert [bucket.take(1, now=100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_refusal_takes_no_tokens() -> None:
    bucket = TokenBucket(capacity=3, refill=2)
    bucket.take(2, now=0.0)
    assert bucket.take(3, now=0.0) == 1.0
    assert bucket.take(1, now=0.0) == 0.0


def test_tokens_are_refilled_with_time() -> None:
    bucket = TokenBucket(capacity=3, refill=2)
    bucket.take(3, now=0.0)
    assert bucket.available(0.5) == 1.0
    assert bucket.take(1, now=0.5) == 0.0
    assert bucket.take(1, now=0.5) == 0.5


def test_refill_stops_at_capacity() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    assert bucket.available(0.0) == 3.0
    assert bucket.take(3, now=1e6) == 0.0
    assert bucket.take(1, now=1e6) == 1.0


def test_returned_tokens_can_be_taken_again() -> None:
    bucket = TokenBucket(capacity=3, refill=1)
    bucket.take(3, now=0.0)
    bucket.give(2)
    assert bucket.take(2, now=0.0) == 0.0
    assert bucket.take(1, now=0.0) == 1.0


def test_zero_tokens_can_always_be_taken() -> None:
    bucket = TokenBucket(capacity=1, refill=1)
    bucket.take(1, now=0.0)
    assert bucket.take(0, now=0.0) == 0.0


@pytest.mark.parametrize("n", [-1, 3.5])
def test_more_than_capacity_is_an_error(n: float) -> None:
    with pytest.raises(ValueError, match="can never be taken"):
        TokenBucket(capacity=3, refill=1).take(n, now=0.0)


@pytest.mark.parametrize(("capacity", "refill"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_invalid_bucket_is_refused(capacity: float, refill: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TokenBucket(capacity, refill)


@given(capacities, refills, moments, steps)
def test_level_stays_between_zero_and_capacity(
    capacity: float, refill: float, now: float, steps: list[tuple[float, float, str]]
) -> None:
    bucket = TokenBucket(capacity, refill)
    for passed, share, act in steps:
        now += passed
        bucket.take(share * capacity, now) if act == "take" else bucket.give(share * capacity)
        assert 0 <= bucket.available(now) <= capacity


@given(capacities, refills, moments, steps)
def test_granted_tokens_stay_within_capacity_and_refill(
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
def test_client_that_waits_is_served(capacity: float, refill: float, now: float, first: float, second: float) -> None:
    bucket = TokenBucket(capacity, refill)
    bucket.take(capacity, now)
    bucket.give(first * capacity)
    wait = bucket.take(second * capacity, now)
    assert wait == 0.0 or bucket.take(second * capacity, now + wait) == 0.0
