"""The deadline of the current task: the time by which its caller expects an answer."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def set_deadline(seconds: float) -> None:
    """Give everything that this task still does `seconds` from now."""
    _deadline.set(time.monotonic() + seconds)


def time_left(most: float) -> float:
    """Return the seconds until the task's deadline, at most `most`."""
    deadline = _deadline.get()
    return most if deadline is None else min(most, deadline - time.monotonic())
