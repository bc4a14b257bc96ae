"""Run tests that share an expensive fixture on the same worker.

`xdist_group` cannot be used: xdist 3.8 writes the group into the test id, where pytest 9.2 no longer reads it.
"""

import re
from typing import Final

from xdist.scheduler.loadscope import LoadScopeScheduling

_JOURNEY: Final = re.compile(r"tests/(\w+/test_\w+)\.py::\w+(?:\[(one process[a-z ]* on [a-z]+))?")
# Files whose tests share an expensive fixture.
_OWN: Final = (
    "kit/events/bus/test_kafka_secured",
    "journeys/test_costs",
    "journeys/test_crashes",
    "journeys/test_events",
    "journeys/test_kafka_unavailable",
    "chaos/test_losses",
    "chaos/test_orders",
    "journeys/test_redis_unavailable",
    "journeys/test_service_unavailable",
    "chaos/test_paused_processes",
)


class SharedFixtureScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Schedules tests one by one, and all journeys on one marketplace together."""

    def _split_scope(self, nodeid: str) -> str:
        journey = _JOURNEY.match(nodeid)
        if journey is None:
            return nodeid
        name, shared = journey.groups()
        return name if name in _OWN else shared or nodeid
