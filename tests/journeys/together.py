"""Which tests run on the same worker: those that share a marketplace, which is dear to start.

`xdist_group` would say the same, but with pytest 9.2 xdist 3.8 does not see it: it writes the group to where the id of
a test is kept no more.
"""

import re
from typing import Final

from xdist.scheduler.loadscope import LoadScopeScheduling

_JOURNEY: Final = re.compile(r"tests/(?:journeys|chaos)/(test_\w+)\.py::\w+(\[[a-z ]+)?")
_SHARED: Final = ("[one process per service", "[one process")
_OWN: Final = ("test_crashes", "test_orders", "test_redis_away", "test_service_away", "test_zombies")


class Together(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Gives each worker one test after another, and journeys through one marketplace as one."""

    def _split_scope(self, nodeid: str) -> str:
        journey = _JOURNEY.match(nodeid)
        if journey is None or journey[1] == "test_starting":
            return nodeid
        if journey[1] in _OWN:
            return journey[1]
        return journey[2] if journey[2] in _SHARED else nodeid
