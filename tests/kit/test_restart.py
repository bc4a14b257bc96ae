import asyncio
import logging

import pytest

from nextbuy.kit.restart import RestartDelay, keep_running


def test_delay_doubles_up_to_its_cap_while_runs_are_short() -> None:
    delay = RestartDelay(base=0.1, cap=1.0, steady=30.0)

    assert [round(delay.after(1.0), 1) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_delay_resets_after_a_good_run() -> None:
    delay = RestartDelay(base=0.1, cap=1.0, steady=30.0)
    for _ in range(6):
        delay.after(29.9)

    assert [delay.after(30.0), delay.after(1.0), delay.after(1.0)] == [0.1, 0.2, 0.4]


async def test_crashed_task_is_logged_and_restarted(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("no such row")
        done.set()

    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(keep_running("order.relay", run, RestartDelay(base=0.001)))
        async with asyncio.timeout(5):
            await done.wait()
        task.cancel()

    assert [record.message for record in caplog.records] == ["order.relay crashed; restarting in 0.0 s"]
    assert "no such row" in caplog.text


async def test_cancelled_task_is_not_restarted() -> None:
    started = asyncio.Event()
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(keep_running("order.relay", run))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert runs == 1
