"""Run tests that share an expensive fixture on the same worker, one after the other, and end it after the last.

`xdist_group` cannot be used: xdist 3.8 writes the group into the test id, where pytest 9.2 no longer reads it.
"""

import re
from typing import Final

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

_JOURNEY: Final = re.compile(r"tests/(\w+/test_\w+)\.py::\w+(?:\[(one process[a-z ]* on [a-z]+))?")
# Files whose tests share an expensive fixture.
_OWN: Final = (
    "browser/test_smoke",
    "kit/events/bus/test_kafka_secured",
    "journeys/test_costs",
    "journeys/test_crashes",
    "journeys/test_events",
    "journeys/test_kafka_unavailable",
    "journeys/test_redis_unavailable",
    "journeys/test_service_unavailable",
)
_LOAD_TESTS: Final = "chaos/"
"""The folder of tests that load the whole machine. They run one at a time, or journeys beside them time out."""
_EXPENSIVE: Final = ("market", "shop_url")
"""Fixtures that are marketplaces: one that runs without a test takes up to a third of the machine from the others."""


def end_unused_marketplace(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the shared marketplace of a test if the next test of this worker does not use it."""
    if isinstance(item, pytest.Function):
        fixtures = item._fixtureinfo.name2fixturedefs
        for name in _EXPENSIVE:
            if name in fixtures and _value(item, name) != _value(nextitem, name):
                fixtures[name][-1].finish(item._request)  # type: ignore[arg-type]  # Any request of the item will do.


def _value(item: pytest.Item | None, name: str) -> object:
    """Return what distinguishes the fixture of a test: its definition and its parameter; None if it is not used."""
    if not isinstance(item, pytest.Function) or name not in item._fixtureinfo.name2fixturedefs:
        return None
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return item._fixtureinfo.name2fixturedefs[name][-1], parameters.get(name)


class SharedFixtureScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Schedules tests one by one, and all journeys on one marketplace together."""

    def _split_scope(self, nodeid: str) -> str:
        journey = _JOURNEY.match(nodeid)
        if journey is None:
            return nodeid
        name, shared = journey.groups()
        if name.startswith(_LOAD_TESTS):
            return _LOAD_TESTS
        return name if name in _OWN else shared or nodeid
