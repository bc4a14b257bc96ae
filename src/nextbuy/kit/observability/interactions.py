"""Store the interactions of sampled traces in Redis, so that the sequence of a purchase can be shown.

Recording never blocks or fails a request. Interactions that do not fit the queue, that Redis does not accept, or that
are less than `_PAUSE` old when the process ends, are in the log only.
"""

import asyncio
import logging
from collections import deque
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.contracts.errors import Unavailable
from nextbuy.kit.config import REDIS_PREFIX
from nextbuy.kit.observability.telemetry import Interaction, InteractionLine

log: Final = logging.getLogger(__name__)
_RETENTION: Final = 3_600
"""Seconds that a trace stays in Redis after its last interaction."""
_MAX_PER_TRACE: Final = 2_000
_MAX_QUEUED: Final = 20_000
_PAUSE: Final = 0.5
"""Seconds between two batches, so that most interactions of a trace are written together."""
_REDIS_TIMEOUT: Final = 2.0
"""Seconds per read or batch."""


InteractionsUnavailable: Final = Unavailable.of(
    "interactions-unavailable", "The interactions cannot be read at the moment. Try again, or search the log."
)


class Interactions:
    """The recent interactions, by trace."""

    def __init__(self, redis: Redis, prefix: str = REDIS_PREFIX) -> None:
        """Store in `redis`, under keys that begin with `prefix`."""
        self._redis = redis
        self._prefix = prefix
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=_MAX_QUEUED)
        self._recorded = asyncio.Event()

    def record(self, trace_id: str, line: bytes) -> None:
        """Queue an `InteractionLine` (JSON)."""
        self._queue.append((trace_id, line))
        self._recorded.set()

    async def run(self) -> None:
        """Write what is queued, then pause, until cancelled."""
        while True:
            await self._recorded.wait()
            self._recorded.clear()
            lines = list(self._queue)
            self._queue.clear()
            await self._write(lines)
            await asyncio.sleep(_PAUSE)

    async def _write(self, lines: list[tuple[str, bytes]]) -> None:
        by_trace: dict[str, list[bytes]] = {}
        for trace_id, line in lines:
            by_trace.setdefault(trace_id, []).append(line)
        pipeline = self._redis.pipeline(transaction=False)
        for trace_id, batch in by_trace.items():
            pipeline.execute_command("RPUSH", self._key(trace_id), *batch)
            pipeline.execute_command("EXPIRE", self._key(trace_id), _RETENTION)
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT):
                lengths = (await pipeline.execute())[::2]
                for trace_id, length in zip(by_trace, lengths, strict=True):
                    if length > _MAX_PER_TRACE:
                        await self._redis.ltrim(self._key(trace_id), -_MAX_PER_TRACE, -1)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning(
                "interactions not stored in Redis; they are in the log only",
                extra={"count": len(lines), "reason": type(error).__name__},
            )

    async def get(self, trace_id: str) -> list[Interaction]:
        """Return the stored interactions of a trace by time; raise InteractionsUnavailable if Redis does not answer."""
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT):
                lines = await self._redis.lrange(self._key(trace_id), 0, -1)
        except (RedisError, OSError, TimeoutError) as error:
            raise InteractionsUnavailable(retry_after=5) from error
        interactions = [msgspec.json.decode(line, type=InteractionLine).complete() for line in lines]
        return sorted(interactions, key=lambda interaction: interaction.at)

    def _key(self, trace_id: str) -> str:
        return f"{self._prefix}interactions:{trace_id}"
