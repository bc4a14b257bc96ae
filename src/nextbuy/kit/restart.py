"""Restarts of crashed tasks and processes, after a pause that doubles with each crash until a run lasts."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nextbuy.kit.workload import set_background

log: Final = logging.getLogger(__name__)

STEADY: Final = 30.0
"""Seconds. The end of a run of this length counts as the first crash again."""


class RestartDelay:
    """The pauses between restarts: `base` seconds after a good run, doubled up to `cap` after each short one."""

    def __init__(self, *, base: float = 0.1, cap: float = 10.0, steady: float = STEADY) -> None:
        """Count a run of at least `steady` seconds as good."""
        self._base, self._cap, self._steady = base, cap, steady
        self._next = base

    def after(self, ran: float) -> float:
        """Return the seconds to pause after a run of `ran` seconds has ended."""
        delay = self._base if ran >= self._steady else self._next
        self._next = min(delay * 2, self._cap)
        return delay


async def keep_running(name: str, run: Callable[[], Awaitable[object]], delay: RestartDelay | None = None) -> None:
    """Run a background task; log what it raises and restart it after a pause, until it is cancelled."""
    set_background(True)
    delay = delay or RestartDelay()
    while True:
        began = time.monotonic()
        try:
            await run()
        except Exception as error:  # noqa: BLE001  logged below
            failure: Exception | None = error
        else:
            failure = None
        pause = delay.after(time.monotonic() - began)
        if failure is not None:
            log.error("%s crashed; restarting in %.1f s", name, pause, exc_info=failure)
        await asyncio.sleep(pause)
