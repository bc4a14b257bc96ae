"""When a service last handled a request that may have left work to its jobs; without any, they run less often."""

import asyncio
import time
from typing import Final

ACTIVE_FOR: Final = 10.0
"""Seconds after a request in which its service is active: retries of a first failure are due within them."""


class Activity:
    """The activity of one service in one process. A service that has just started is active."""

    def __init__(self) -> None:
        self._noted_at = time.monotonic()
        self._noted = asyncio.Event()

    def note(self) -> None:
        """Wake the jobs that wait for longer because the service was idle."""
        self._noted_at = time.monotonic()
        self._noted.set()

    async def pause(self, seconds: float, idle: float) -> None:
        """Wait `seconds` while the service is active; otherwise `idle` seconds, or until it becomes active."""
        if time.monotonic() - self._noted_at < ACTIVE_FOR:
            await asyncio.sleep(seconds)
            return
        self._noted.clear()
        try:
            async with asyncio.timeout(idle):
                await self._noted.wait()
        except TimeoutError:
            return
