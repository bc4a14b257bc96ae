"""The retry policy of handlers: retry with backoff until success, a permanent failure, or shutdown.

A **transient** failure (an `AppError` marked as such, or an unavailable database) is retried for as long as it lasts.
A **permanent** one, any other `AppError`, fails at once. Any other exception may be a coincidence: it is retried until
it has failed `MAX_FAILURES` times.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from nextbuy.contracts.errors import AppError, BreakerOpen
from nextbuy.kit.rpc.retry import backoff
from nextbuy.kit.storage.database import transient

log: Final = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FAILURES: Final = 5
"""Attempts at an event that fails with an exception that is neither transient nor permanent."""
RETRY_BASE: Final = 0.05
RETRY_CAP: Final = 5.0
"""Seconds between attempts, with full jitter."""
_MAX_RETRY_AFTER: Final = 60.0
"""Seconds. Longer waits that a callee asks for are cut to this, since it may recover sooner."""


class Stopped(Exception):
    """The consumer is shutting down before the operation has succeeded."""


class Failure(Exception):
    """An operation that failed permanently or too often; `error` is that of the last attempt."""

    def __init__(self, error: Exception, attempts: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts = attempts


class RetryPolicy:
    """Retries whose waits end at once when the consumer shuts down."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self.stopping = stopping

    async def attempt(
        self, subject: str, act: Callable[[], Awaitable[None]], *, max_failures: int = MAX_FAILURES
    ) -> int:
        """Run `act` until it succeeds and return the number of attempts; `subject` names it in log lines.

        A call that an open breaker refused does not count as an attempt; the breaker sets the wait.

        Raises:
            Failure: it failed permanently, or `max_failures` times.
            Stopped: the consumer is shutting down.
        """
        attempts = failures = waits = 0
        while True:
            attempts += 1
            try:
                await act()
            except Stopped:
                raise
            except Exception as error:
                temporary = transient(error)
                if temporary is not None:
                    if not waits:
                        log.warning("%s failed temporarily; retrying: %s", subject, temporary)
                    wait = max(_wait(waits), min(temporary.retry_after or 0.0, _MAX_RETRY_AFTER))
                    waits += 1
                    attempts -= isinstance(temporary, BreakerOpen)
                else:
                    failures += 1
                    if isinstance(error, AppError) or failures >= max_failures:
                        raise Failure(error, attempts) from error
                    wait = _wait(failures - 1)
                await self._pause(wait)
            else:
                return attempts

    async def retry_until_stopped(self, subject: str, act: Callable[[], Awaitable[T]]) -> T:
        """Run a database operation until it succeeds, because the event may not be acknowledged before.

        Raises:
            Stopped: the consumer is shutting down, and the operation has not succeeded.
        """
        attempts = 0
        while True:
            try:
                return await act()
            except Exception as error:  # noqa: BLE001  whatever failed, acknowledging now would lose the event
                if not attempts:
                    log.warning("%s failed; retrying: %r", subject, error)
                await self._pause(_wait(attempts))
                attempts += 1

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise Stopped


def _wait(attempt: int) -> float:
    return backoff(attempt, base=RETRY_BASE, cap=RETRY_CAP, random=random.random)
