"""A failed test runs again if the machine stood still during it; a test that passed waits for nothing."""

import time

import pytest

from tests import machine_stalls
from tests.machine_stalls import StallWatch


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> StallWatch:
    monkeypatch.setattr(machine_stalls, "_INTERVAL", 0.01)
    watch = StallWatch()
    watch.begin_test()
    return watch


def test_failure_during_a_stall_is_explained(watch: StallWatch) -> None:
    assert not watch.explains(AssertionError())
    watch.note_stall()
    assert watch.explains(AssertionError())
    watch.begin_test()
    assert not watch.explains(AssertionError())


def test_passed_test_does_not_wait_for_the_watch(watch: StallWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", pytest.fail)
    watch.note_stall()
    assert not watch.explains(None)
