"""Keeps the interactions of sampled traces for an hour in Redis, so that a purchase can be read back as a sequence.

The log has every line for ever; this is the part of it that can be asked for by trace. Recording never waits and never
fails a request: the queue is bounded, and what does not fit, or finds Redis away, is only in the log.
"""

import asyncio
import logging
from collections import deque
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.contracts.errors import Unavailable
from nextbuy.kit.observability.telemetry import Interaction

log: Final = logging.getLogger(__name__)
_KEPT_SECONDS: Final = 3_600
_MOST_PER_TRACE: Final = 2_000
_MOST_WAITING: Final = 20_000
_PAUSE: Final = 0.02
_BATCH: Final = 1_000
_PATIENCE: Final = 2.0
"""Seconds that Redis is waited for."""


def _key(trace_id: str) -> str:
    return f"nextbuy:interactions:{trace_id}"


class Interactions:
    """Takes lines at once, writes them in batches, and reads them back."""

    def __init__(self, redis: Redis) -> None:
        """Write to `redis`; `run` must be running."""
        self._redis = redis
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=_MOST_WAITING)
        self._arrived = asyncio.Event()

    def record(self, trace_id: str, line: bytes) -> None:
        """Take one interaction as JSON."""
        self._waiting.append((trace_id, line))
        self._arrived.set()

    async def run(self) -> None:
        """Write what was taken, for ever."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_PAUSE)
            self._arrived.clear()
            while self._waiting:
                await self._write([self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))])

    async def _write(self, lines: list[tuple[str, bytes]]) -> None:
        by_trace: dict[str, list[bytes]] = {}
        for trace_id, line in lines:
            by_trace.setdefault(trace_id, []).append(line)
        pipeline = self._redis.pipeline(transaction=False)
        for trace_id, those in by_trace.items():
            pipeline.execute_command("RPUSH", _key(trace_id), *those)
            pipeline.execute_command("LTRIM", _key(trace_id), -_MOST_PER_TRACE, -1)
            pipeline.execute_command("EXPIRE", _key(trace_id), _KEPT_SECONDS)
        try:
            async with asyncio.timeout(_PATIENCE):
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("%d interactions are in the log only: %s", len(lines), type(error).__name__)

    async def of(self, trace_id: str) -> list[Interaction]:
        """Return the interactions of a trace in the order in which they began; none where nothing is kept.

        Raises:
            Unavailable: Redis is out of reach.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                lines = await self._redis.lrange(_key(trace_id), 0, -1)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("The record of interactions is out of reach; the log has them.", retry_after=5) from error
        found = [msgspec.json.decode(line, type=Interaction) for line in lines]
        return sorted(found, key=lambda interaction: interaction.at)
