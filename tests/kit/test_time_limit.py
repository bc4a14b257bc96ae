"""Time limits: what `asyncio.timeout` promises, to within a tick."""

import asyncio
import time

import pytest

from nextbuy.kit import time_limit
from nextbuy.kit.time_limit import TimeLimit


@pytest.mark.parametrize("seconds", [0.05, 1.0])
async def test_expired_limit_raises_timeout_error_within_a_tick(seconds: float) -> None:
    began = time.monotonic()

    with pytest.raises(TimeoutError), TimeLimit(seconds):
        await asyncio.Event().wait()

    assert seconds <= time.monotonic() - began < seconds + 0.5
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_block_that_ends_in_time_is_left_alone(seconds: float) -> None:
    with TimeLimit(seconds):
        await asyncio.sleep(0.01)

    await asyncio.sleep(0.15)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_cancellation_from_outside_stays_a_cancellation(seconds: float) -> None:
    async def limited() -> None:
        with TimeLimit(seconds):
            await asyncio.Event().wait()

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_outer_limit_ends_the_inner_block() -> None:
    inner_expired = False

    async def inner() -> None:
        nonlocal inner_expired
        try:
            with TimeLimit(5.0):
                await asyncio.Event().wait()
        except TimeoutError:
            inner_expired = True

    with pytest.raises(TimeoutError), TimeLimit(0.05):
        await inner()

    assert not inner_expired


async def test_error_in_the_block_is_not_replaced() -> None:
    with pytest.raises(KeyError), TimeLimit(5.0):
        raise KeyError


async def test_no_limit_is_checked_after_its_block() -> None:
    for _ in range(3):
        with TimeLimit(5.0):
            assert len(time_limit._due) == 1

    assert not time_limit._due


def test_limit_works_on_one_loop_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "_PRECISE", 0.0)

    async def wait_too_long() -> None:
        with pytest.raises(TimeoutError), TimeLimit(0.05):
            await asyncio.sleep(5)

    for _ in range(3):
        asyncio.run(wait_too_long())
