"""The activity of a service: without requests that may leave work to its jobs, the jobs run less often."""

import asyncio
import time
from typing import Final

ACTIVE_FOR: Final = 10.0
"""Seconds that a service is active after a request: the retry of a first failure is due by then."""


class Activity:
    """The activity of one service in one process. A service that has just started is active."""

    def __init__(self) -> None:
        self._active_at = time.monotonic()
        self._became_active = asyncio.Event()

    def note(self) -> None:
        """Note a request that may leave work, and wake the jobs that pause for longer because the service was idle."""
        self._active_at = time.monotonic()
        self._became_active.set()

    async def pause(self, seconds: float, idle: float) -> None:
        """Wait `seconds` while the service is active; otherwise `idle` seconds, or until it becomes active."""
        if time.monotonic() - self._active_at < ACTIVE_FOR:
            await asyncio.sleep(seconds)
            return
        self._became_active.clear()
        try:
            async with asyncio.timeout(idle):
                await self._became_active.wait()
        except TimeoutError:
            return
