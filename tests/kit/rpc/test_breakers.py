"""The breakers of one caller: kept apart by callee and workload, and each change logged and reported."""

import logging

import pytest

from nextbuy.kit.rpc.breakers import Breakers


class Clock:
    """Monotonic seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


def open_breaker(breakers: Breakers, *, background: bool = False) -> None:
    for _ in range(5):
        breakers.of("product", background=background).admit().failure()


def test_breaker_is_of_one_callee_and_one_workload(clock: Clock) -> None:
    breakers = Breakers("order", ["auth", "product"], clock)

    open_breaker(breakers, background=True)

    assert breakers.of("product", background=True).state == "open"
    assert breakers.of("product").state == "closed"
    assert breakers.of("auth", background=True).state == "closed"


def test_each_change_is_one_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    breakers = Breakers("order", ["product"], clock)

    with caplog.at_level(logging.INFO):
        open_breaker(breakers)
        clock.now += 5.1
        for _ in range(2):
            breakers.of("product").admit().success()

    assert [(record.levelname, record.getMessage().partition(";")[0]) for record in caplog.records] == [
        ("WARNING", "breaker opened"),
        ("INFO", "breaker half-open"),
        ("INFO", "breaker closed"),
    ]
    assert {(vars(record)["caller"], vars(record)["callee"]) for record in caplog.records} == {("order", "product")}


def test_breakers_that_have_opened_are_reported_with_their_state(clock: Clock) -> None:
    breakers = Breakers("order", ["auth", "product"], clock)
    assert breakers.changed() == []

    open_breaker(breakers)
    [opened] = breakers.changed()
    clock.now += 5.1
    breakers.of("product").admit().failure()
    [reopened] = breakers.changed()

    assert (opened.callee, opened.background, opened.state, opened.openings) == ("product", False, "open", 1)
    assert (reopened.state, reopened.openings) == ("open", 2)
    assert reopened.changed_at > opened.changed_at


def test_caller_with_its_own_outage_log_logs_no_changes(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        open_breaker(Breakers("kafka", ["product"], clock, logged=False))

    assert caplog.records == []
