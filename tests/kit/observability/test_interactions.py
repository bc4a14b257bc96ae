"""Interactions in Redis: written in few commands, bounded, and read back complete."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from nextbuy.kit.observability import interactions
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.observability.telemetry import InteractionLine, Journal, start_span
from tests.waiting import until

TRACE = "a" * 32
KEY = f"nextbuy:interactions:{TRACE}"


@asynccontextmanager
async def running(recorder: Interactions) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def calls(redis: Redis, command: str) -> int:
    """Return how often Redis has run a command."""
    return int((await redis.info("commandstats")).get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_interactions_of_a_trace_are_written_together(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_PAUSE", 3600.0)
    recorder, before = Interactions(redis), await calls(redis, "rpush")
    for number in range(30):
        recorder.record(TRACE, b"%d" % number)

    async with running(recorder):
        await until(lambda: stored(redis, 30))

    assert await calls(redis, "rpush") == before + 1
    assert 3_000 < await redis.ttl(KEY) <= 3_600


async def test_interactions_recorded_during_the_pause_follow_it(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_PAUSE", 0.05)
    recorder = Interactions(redis)

    async with running(recorder):
        for number in range(5):
            recorder.record(TRACE, b"%d" % number)
            await until(lambda number=number: stored(redis, number + 1))  # type: ignore[misc]

    assert await redis.lrange(KEY, 0, -1) == [b"0", b"1", b"2", b"3", b"4"]


async def test_list_of_a_trace_keeps_the_latest(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "_MAX_PER_TRACE", 3)
    monkeypatch.setattr(interactions, "_PAUSE", 0.0)
    recorder, before = Interactions(redis), await calls(redis, "ltrim")

    async with running(recorder):
        recorder.record(TRACE, b"0")
        await until(lambda: stored(redis, 1))
        assert await calls(redis, "ltrim") == before
        for number in range(1, 6):
            recorder.record(TRACE, b"%d" % number)
        await until(lambda: last_is(redis, b"5"))
        await until(lambda: stored(redis, 3))

    assert await redis.lrange(KEY, 0, -1) == [b"3", b"4", b"5"]


async def test_interaction_is_read_back_with_all_fields(redis: Redis) -> None:
    recorder = Interactions(redis)
    journal, span = Journal(recorder=recorder.record), start_span(sampled=True)

    async with running(recorder):
        journal.interaction("call", "order", "auth", "validate-user", trace=span, began=time.perf_counter())
        await until(lambda: found(recorder, span.trace_id))

    [one] = await recorder.get(span.trace_id)
    assert not isinstance(one, InteractionLine)
    assert (one.caller, one.outcome, one.attempt, one.correlation_id) == ("order", "ok", 1, span.trace_id)


async def stored(redis: Redis, count: int) -> bool:
    return bool(await redis.llen(KEY) == count)


async def last_is(redis: Redis, line: bytes) -> bool:
    return bool(await redis.lindex(KEY, -1) == line)


async def found(recorder: Interactions, trace_id: str) -> bool:
    return bool(await recorder.get(trace_id))
