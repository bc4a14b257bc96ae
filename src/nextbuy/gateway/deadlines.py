"""Ends requests that take too long.

`asyncio.timeout` arms and disarms a timer for each request, which costs more than anything else that the gateway does
to one. Here one timer looks through the requests under way ten times a second, and stops while there are none.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

Result = TypeVar("Result")
_LOOK: Final = 0.1


class Passed(Exception):
    """The deadline passed; what was waited for has been cancelled."""


class Deadlines:
    """The deadlines of one process: each is kept within a tenth of a second."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], float] = {}
        self._passed: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, awaitable: Awaitable[Result], seconds: float) -> Result:
        """Wait for `awaitable`, in the task that asks.

        Raises:
            Passed: it took longer.
        """
        task = asyncio.current_task()
        if task is None:
            message = "deadlines are for tasks"
            raise RuntimeError(message)
        self._due[task] = time.monotonic() + seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # Ours only where nobody else wants the task to end as well.
            if task in self._passed and task.uncancel() == 0:
                raise Passed from None
            raise
        finally:
            self._due.pop(task, None)
            self._passed.discard(task)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for task in [task for task, due in self._due.items() if due <= now]:
            del self._due[task]
            self._passed.add(task)
            task.cancel()
        if self._due:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)
