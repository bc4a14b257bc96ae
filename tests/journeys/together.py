"""Which tests run on the same worker: those that share a marketplace, which is dear to start.

`xdist_group` would say the same, but with pytest 9.2 xdist 3.8 does not see it: it writes the group to where the id of
a test is kept no more.
"""

import re
from typing import Final

from xdist.scheduler.loadscope import LoadScopeScheduling

_JOURNEY: Final = re.compile(r"tests/(\w+/test_\w+)\.py::\w+(?:\[(one process[a-z ]* on [a-z]+))?")
# Files whose tests share something dear.
_OWN: Final = (
    "kit/test_bus_kafka_secured",
    "journeys/test_crashes",
    "journeys/test_kafka_away",
    "chaos/test_orders",
    "journeys/test_redis_away",
    "journeys/test_service_away",
    "chaos/test_zombies",
)


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Gives each worker one test after another, and journeys through one marketplace as one."""

    def _split_scope(self, nodeid: str) -> str:
        journey = _JOURNEY.match(nodeid)
        if journey is None:
            return nodeid
        name, shared = journey.groups()
        return name if name in _OWN else shared or nodeid
