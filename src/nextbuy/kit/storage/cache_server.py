"""The connections of one process to the Redis of the shared cache: it replies in time, or is skipped.

No load waits longer for Redis than a read of the database would take. While it is unavailable, full or slow, a breaker
skips it.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript

log: Final = logging.getLogger(__name__)

_SLICE: Final = 0.005
_SLICES: Final = 4
"""Redis has this many slices of `_SLICE` seconds to reply. A busy event loop reads the reply late, but also ends
a slice late, so that its delay counts as one slice at most."""
_ABANDONED: Final = 1.0
"""Seconds after which a command is cancelled. Loads have stopped waiting before; meanwhile it may open a connection."""
_MAX_PENDING: Final = 64
"""Commands in flight; more are skipped."""


class Permit(Protocol):
    """The permission for one command; the first report of its outcome counts."""

    def success(self) -> None:
        """Report a reply."""

    def failure(self) -> None:
        """Report an error, or no reply in time."""

    def cancel(self) -> None:
        """Report that there is no result."""


class Admission(Protocol):
    """The breaker (`kit/rpc/breaker.py`, in a layer above this one)."""

    @property
    def state(self) -> str:
        """The state: "closed" while Redis works."""

    @property
    def retry_after(self) -> float:
        """Seconds until a command may be admitted; 0.0 if the next one is."""

    def admit(self) -> Permit:
        """Admit one command."""


class CacheServer:
    """The connections to the Redis of the shared cache."""

    def __init__(self, client: Redis, breaker: Admission) -> None:
        """Use a client from `cache_client`; `breaker` opens when commands fail."""
        self.client = client
        self._breaker = breaker
        self._pending: set[asyncio.Task[Any]] = set()
        self._reported_down = False

    def script(self, text: str) -> AsyncScript:
        """Return a Lua script for `run`."""
        return self.client.register_script(text)

    async def run(self, script: AsyncScript, keys: list[str], arguments: list[Any]) -> Any:  # noqa: ANN401  a reply of Redis
        """Run a script and return its reply, or None if Redis does not answer in time or is skipped."""
        if self._breaker.retry_after > 0 or len(self._pending) >= _MAX_PENDING:
            return None
        permit = self._breaker.admit()
        try:
            # Not cancelled with the load that waits for it: a connection that is being opened serves the next one.
            task = asyncio.create_task(_run_bounded(script, keys, arguments))
            self._pending.add(task)
            task.add_done_callback(self._done)
            for _ in range(_SLICES):
                await asyncio.wait({task}, timeout=_SLICE)
                if task.done():
                    break
            error = TimeoutError("no reply in time") if not task.done() or task.cancelled() else task.exception()
            if error is None:
                permit.success()
                self._report(None)
                return task.result()
            permit.failure()
            self._report(error)
            return None
        finally:
            permit.cancel()

    def _report(self, error: BaseException | None) -> None:
        """Log when the breaker opens and closes."""
        is_down = self._breaker.state != "closed"
        if is_down and not self._reported_down:
            log.warning("shared cache unavailable; values are read without it", extra={"reason": repr(error)})
        elif self._reported_down and not is_down:
            log.info("shared cache available again")
        self._reported_down = is_down

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._pending.discard(task)
        # Read even if no load waits any more; otherwise asyncio logs an exception that was never retrieved.
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Cancel the commands in flight and close the connections."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        await self.client.aclose()


async def _run_bounded(script: AsyncScript, keys: list[str], arguments: list[Any]) -> Any:  # noqa: ANN401  a reply of Redis
    async with asyncio.timeout(_ABANDONED):
        return await script(keys=keys, args=arguments)


def cache_client(url: str) -> Redis:
    """Return a client of the Redis of the cache. It never retries: reading without the cache is faster."""
    # With `socket_timeout`, redis-py on Python 3.11 loses cancellations.
    return Redis.from_url(
        url,
        socket_timeout=None,
        socket_connect_timeout=_ABANDONED,
        max_connections=_MAX_PENDING + 2,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        protocol=2,
    )
