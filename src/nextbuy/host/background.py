"""Background tasks of a process. A task that crashes is restarted (`kit/restart.py`)."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from nextbuy.kit.activity import Activity
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.observability import telemetry
from nextbuy.kit.restart import keep_running
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)
_RUN_TIMEOUT: Final = 30.0
"""Seconds for a single run of a periodic task, including its calls."""


@dataclass(frozen=True)
class BackgroundTask:
    """A coroutine function that runs until it is cancelled, and its name in logs."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def running(task: BackgroundTask) -> AsyncIterator[None]:
    """Run a task until the context ends."""
    started = asyncio.create_task(keep_running(task.name, task.run), name=task.name)
    try:
        yield
    finally:
        started.cancel()
        await asyncio.gather(started, return_exceptions=True)


def periodic(
    name: str,
    act: Callable[[Any], Awaitable[Any]],
    argument: object,
    activity: Activity,
    *,
    every: float,
    idle: float | None = None,
) -> BackgroundTask:
    """Return a task that runs `act(argument)` every `every` seconds, and again at once after it returned true.

    While the service is idle, it runs every `idle` seconds, and at once when the service becomes active. After a
    transient failure, the next run tries again; any other failure crashes the task, which is then restarted.
    """

    async def run() -> None:
        while True:
            more = False
            try:
                with telemetry.use_span(telemetry.start_span()):
                    set_deadline(_RUN_TIMEOUT)
                    more = bool(await act(argument))
            except Exception as error:
                if transient(error) is None:
                    raise
                log.warning("%s failed; retrying at its next run: %s: %s", name, type(error).__name__, error)
            if not more:
                spread = random.uniform(0.9, 1.1)  # noqa: S311  spreads copies; no secret
                await activity.pause(every * spread, (every if idle is None else idle) * spread)

    return BackgroundTask(name, run)
