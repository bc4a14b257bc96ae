"""Ends requests that take too long.

`asyncio.timeout` arms and disarms a timer for each request, which costs more than anything else that the gateway does
to one. Here one timer looks through the requests under way ten times a second, and stops while there are none.
"""

import asyncio
import time
from typing import Any, Final

_LOOK: Final = 0.1

Task = asyncio.Task[Any]


class Deadlines:
    """The deadlines of one process: each is kept within a tenth of a second.

    For each request::

    deadlines.enter(task, seconds)
    try:
        await something
    except asyncio.CancelledError:
        if deadlines.passed(task): ...  # it took too long
        raise
    finally:
        deadlines.leave(task)
    """

    def __init__(self) -> None:
        self._due: dict[Task, float] = {}
        self._passed: set[Task] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, task: Task, seconds: float) -> None:
        """Cancel `task` unless it leaves within so many seconds."""
        self._due[task] = time.monotonic() + seconds
        if self._timer is None:
            self._timer = task.get_loop().call_later(_LOOK, self._look)

    def passed(self, task: Task) -> bool:
        """Tell whether the cancellation that just came is of a deadline alone, and take it back where it is."""
        if task not in self._passed:
            return False
        self._passed.discard(task)
        return task.uncancel() == 0

    def leave(self, task: Task) -> None:
        """Let the task be."""
        if self._due.pop(task, None) is None:
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
