"""The deadline of the current task: the time by which its caller expects a response."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def set_deadline(seconds: float) -> None:
    """Set the deadline of the current task and the tasks that it starts, `seconds` from now."""
    _deadline.set(time.monotonic() + seconds)


def time_left(timeout: float) -> float:
    """Return the seconds until the task's deadline, or `timeout` if that is less."""
    deadline = _deadline.get()
    return timeout if deadline is None else min(timeout, deadline - time.monotonic())
