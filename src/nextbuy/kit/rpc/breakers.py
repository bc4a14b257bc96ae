"""The breakers of one caller: for each callee one for requests that someone waits for, and one for background work.

Thus failing background calls never block a checkout, and failing checkouts never block a job. Each change of a breaker
is logged and reported in the caller's status.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from nextbuy.contracts.status import BreakerStatus
from nextbuy.kit.clock import utc_now
from nextbuy.kit.rpc.breaker import DEFAULT_BREAKER_POLICY, Breaker, BreakerPolicy, State

log: Final = logging.getLogger(__name__)

_EVENTS: Final[dict[State, str]] = {
    "open": "breaker opened; calls fail at once",
    "half-open": "breaker half-open; testing whether the callee works again",
    "closed": "breaker closed; the callee works again",
}


class Breakers:
    """The breakers of one caller."""

    def __init__(
        self,
        caller: str,
        callees: Iterable[str],
        now: Callable[[], float],
        policy: BreakerPolicy = DEFAULT_BREAKER_POLICY,
        *,
        logged: bool = True,
    ) -> None:
        """Start closed. `now` returns monotonic seconds; `logged` is false for a caller that logs outages itself."""
        self._caller = caller
        self._logged = logged
        self._changes: dict[tuple[str, bool], BreakerStatus] = {}
        self._breakers = {
            (callee, background): Breaker(now, policy, self._recorder(callee, background=background))
            for callee in callees
            for background in (False, True)
        }

    def of(self, callee: str, *, background: bool = False) -> Breaker:
        """Return the breaker of a callee."""
        return self._breakers[callee, background]

    def changed(self) -> list[BreakerStatus]:
        """Return the breakers that have ever opened, with their states since their last changes."""
        return list(self._changes.values())

    def _recorder(self, callee: str, *, background: bool) -> Callable[[State], None]:
        def record(state: State) -> None:
            before = self._changes.get((callee, background))
            self._changes[callee, background] = BreakerStatus(
                callee=callee,
                background=background,
                state=state,
                changed_at=utc_now(),
                openings=(before.openings if before else 0) + (state == "open"),
            )
            if self._logged:
                log.log(
                    logging.WARNING if state == "open" else logging.INFO,
                    _EVENTS[state],
                    extra={"caller": self._caller, "callee": callee, "background": background},
                )

        return record
