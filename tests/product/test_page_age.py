"""No page lacks a change for longer than the promise, however copies are stopped and whatever happens to Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from nextbuy.embedded import Engines
from nextbuy.kit.storage import cache, cache_server
from tests.product.page_world import World

_DATABASE: Final = 3


async def visit(world: World, number: int, seconds: float, changed: int) -> None:
    """Let time pass, request the page, and perhaps change it."""
    await world.advance(seconds)
    await world.run(world.copies[number].request())
    if changed:
        world.commit()


async def visit_after_polls(world: World, number: int, seconds: float, changed: int) -> None:
    """Let time pass and all copies poll, and request the page."""
    await world.advance(seconds)
    for copy in world.copies:
        await world.run(copy.poll())
    await visit(world, number, 0.0, changed)


async def slow_visit(world: World, number: int, seconds: float, steps: int) -> None:
    """Stop a copy in the middle of a request, and let another request of it join."""
    slow = world.copies[number].request()
    await world.take_steps(steps)
    world.commit()
    await world.advance(seconds)
    joining = world.copies[number].request()
    await world.run(slow)
    await world.run(joining)


async def stopped_request(world: World, number: int, seconds: float, steps: int) -> None:
    """Stop a copy in the middle of a request until the end."""
    _ = world.copies[number].request()
    await world.take_steps(steps)
    await world.advance(seconds)


async def visit_while_frozen(world: World, number: int, seconds: float, _steps: int) -> None:
    """Request the page while Redis is frozen; it runs the commands later."""
    world.frozen = True
    await visit(world, number, 0.0, 1)
    await world.advance(seconds)
    await world.thaw()


async def visit_while_killed(world: World, number: int, seconds: float, _steps: int) -> None:
    """Request the page while Redis is killed."""
    await world.redis.flushdb()
    world.killed = True
    await visit(world, number, 0.0, 1)
    await world.advance(seconds)
    await world.thaw()


async def failover(world: World, number: int, seconds: float, _steps: int) -> None:
    """Request the page, and promote a replica that does not know it."""
    await world.replicate()
    await visit(world, number, seconds, 1)
    await world.promote()


async def unshared_visit(world: World, number: int, _seconds: float, _steps: int) -> None:
    """Request a page that only this copy caches, which fills its product cache."""
    await world.run(world.copies[number].request(share=False))


async def own_change(world: World, number: int, _seconds: float, _steps: int) -> None:
    """Change the page in this copy, which must show it at once."""
    world.copies[number].change()


async def clock_jump(world: World, number: int, _seconds: float, _steps: int) -> None:
    """Advance the clock of one copy."""
    world.copies[number].clock_jumps()


async def flush(world: World, _number: int, _seconds: float, _steps: int) -> None:
    """Delete everything in Redis."""
    await world.redis.flushdb()


Act = tuple[Callable[[World, int, float, int], Awaitable[None]], int, float, int]
USUAL: Final = [visit, visit_after_polls, slow_visit]
OTHER: Final = [
    *(stopped_request, visit_while_frozen, visit_while_killed, failover),
    *(unshared_visit, own_change, clock_jump, flush),
]
ACTS: Final = st.tuples(
    st.sampled_from([*(4 * USUAL), *OTHER]),
    st.integers(0, 2),
    st.sampled_from([0.1, 0.3, 0.6, 0.9, 1.2, 1.4, 1.6, 3.0]),
    st.integers(0, 8),
)


SCHEDULES: Final = st.lists(ACTS, min_size=15, max_size=40)
UNCHECKED: Final = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


async def run(url: str, schedule: list[Act]) -> None:
    """Run a schedule on an empty Redis."""
    async with Redis.from_url(url, db=_DATABASE, protocol=2) as redis:
        await redis.flushdb()
        world = World(redis)
        for act, number, seconds, steps in schedule:
            await act(world, number, seconds, steps)
            await world.settle()
        await world.finish()
        assert world.replies == world.requests


@pytest.fixture(autouse=True)
def steps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing depends on real time: neither pauses nor the timeout of Redis, nor the wall clock, which jumps."""
    days = count()
    monkeypatch.setattr(cache, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(cache_server, "_SLICE", 1.0)
    monkeypatch.setattr(time, "time", lambda: 86_400.0 * (next(days) % 7 * 1_000))


# A page of another copy is kept for a whole limit, and prolonged by polls.
@example(schedule=[(visit, 0, 0.1, 1), (visit, 1, 1.2, 0), (visit, 1, 1.2, 0)])
@example(schedule=[(visit, 0, 0.1, 1), *((visit_after_polls, 1, seconds, 0) for seconds in (0.3, 0.9, 0.9))])
# A request joins one that got an old page; a slow writer stores an old page.
@example(schedule=[(visit, 0, 0.1, 1), (visit, 2, 1.2, 0), (slow_visit, 1, 0.9, 1)])
@example(schedule=[(slow_visit, 0, 1.4, 3), (visit, 1, 0.9, 0)])
# A shared page is computed while its product is cached.
@example(
    schedule=[
        *((visit_after_polls, 0, 0.1, 0), (unshared_visit, 1, 0.1, 0), (own_change, 0, 0.1, 0), (flush, 0, 0.1, 0)),
        *((visit, 1, 1.2, 0), (visit, 2, 1.2, 0)),
    ]
)
@given(schedule=SCHEDULES)
@settings(max_examples=100, suppress_health_check=UNCHECKED)
def test_no_reply_is_older_than_the_promise(engines: Engines, schedule: list[Act]) -> None:
    asyncio.run(run(engines.redis.url, schedule))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@given(schedule=SCHEDULES)
@settings(max_examples=3_000, suppress_health_check=UNCHECKED)
def test_no_reply_is_older_than_the_promise_in_thousands_of_schedules(engines: Engines, schedule: list[Act]) -> None:
    asyncio.run(run(engines.redis.url, schedule))
