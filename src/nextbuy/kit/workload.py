"""Whether the running code works in the background, or for a request that someone waits for.

A call carries this to its callee (`wire.BACKGROUND`), so the work of a job counts as background in each service.
"""

from contextvars import ContextVar

_background: ContextVar[bool] = ContextVar("background", default=False)


def in_background() -> bool:
    """Return whether the current task works in the background."""
    return _background.get()


def set_background(background: bool) -> None:  # noqa: FBT001  the only argument
    """Mark the work of the current task, and of the tasks that it starts, as background work or not."""
    _background.set(background)
