"""Periodic tasks: when they run again, and what a failure does."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.host.background import periodic

HOUR = 3600.0


class Job:
    """A job that raises or returns what `outcome` yields for each run."""

    def __init__(self, outcome: Callable[[int], bool]) -> None:
        self.runs = 0
        self.third_run = asyncio.Event()
        self._outcome = outcome

    async def __call__(self, _argument: object) -> bool:
        self.runs += 1
        if self.runs == 3:
            self.third_run.set()
        return self._outcome(self.runs)


async def test_job_that_returned_true_runs_again_at_once() -> None:
    job = Job(lambda run: run < 3)

    task = asyncio.create_task(periodic("order.sweep", job, None, every=HOUR).run())
    async with asyncio.timeout(5):
        await job.third_run.wait()
    task.cancel()

    assert job.runs == 3


async def test_transient_failure_is_logged_and_waits_for_the_next_run(caplog: pytest.LogCaptureFixture) -> None:
    def outcome(run: int) -> bool:
        if run < 3:
            raise ServiceUnavailable("product")
        return False

    job = Job(outcome)

    with caplog.at_level(logging.WARNING):
        task = asyncio.create_task(periodic("order.sweep", job, None, every=0.001).run())
        async with asyncio.timeout(5):
            await job.third_run.wait()
        task.cancel()

    assert len(caplog.records) == 2
    assert caplog.messages[0].startswith("order.sweep failed; retrying at its next run: ServiceUnavailable: ")


async def test_other_failure_crashes_the_task() -> None:
    def outcome(_run: int) -> bool:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        await periodic("order.sweep", Job(outcome), None, every=HOUR).run()
