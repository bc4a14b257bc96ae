"""Periodic tasks: when they run again, and what a failure does."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.host.background import periodic
from nextbuy.kit import activity
from nextbuy.kit.activity import Activity
from tests.waiting import until

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

    def has_run(self, times: int) -> bool:
        """Return whether it has run `times` times."""
        return self.runs == times


async def test_job_that_returned_true_runs_again_at_once() -> None:
    job = Job(lambda run: run < 3)

    task = asyncio.create_task(periodic("order.sweep", job, None, Activity(), every=HOUR).run())
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
        task = asyncio.create_task(periodic("order.sweep", job, None, Activity(), every=0.001).run())
        async with asyncio.timeout(5):
            await job.third_run.wait()
        task.cancel()

    assert len(caplog.records) == 2
    assert caplog.messages[0].startswith("order.sweep failed; retrying at its next run: ServiceUnavailable: ")


async def test_other_failure_crashes_the_task() -> None:
    def outcome(_run: int) -> bool:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        await periodic("order.sweep", Job(outcome), None, Activity(), every=HOUR).run()


async def test_job_of_idle_service_runs_once_a_request_leaves_it_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "ACTIVE_FOR", 0.0)
    job, of_service = Job(lambda _run: False), Activity()

    task = asyncio.create_task(periodic("order.sweep", job, None, of_service, every=0.001, idle=HOUR).run())
    for run in (1, 2, 3):
        await until(partial(job.has_run, run))
        of_service.note()
    task.cancel()

    assert job.runs == 3


async def test_job_of_active_service_runs_at_its_shorter_interval() -> None:
    job = Job(lambda _run: False)

    task = asyncio.create_task(periodic("order.sweep", job, None, Activity(), every=0.001, idle=HOUR).run())
    async with asyncio.timeout(5):
        await job.third_run.wait()
    task.cancel()
