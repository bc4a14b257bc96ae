"""The pipeline that is measured applies what it is given, and so does its ceiling."""

from typing import Literal

import msgspec
import pytest

from bench.pipeline import Job, Result
from bench.programs import module_output
from tests.conftest import DatabaseUrl


@pytest.mark.parametrize("act", ["carry", "latency"])
async def test_throughput_and_latency_are_measured(
    redis_url: str, database_url: DatabaseUrl, act: Literal["carry", "latency"]
) -> None:
    job = Job(act, 150, await database_url(""), redis_url)
    found = msgspec.convert(await module_output("bench.pipeline", job, timeout=30), Result)
    assert max(found.seconds, found.p99_ms) > 0
    if act == "carry":
        best = msgspec.convert(await module_output("bench.pipeline_ceiling", job, timeout=30), Result)
        assert best.seconds > 0


async def test_backlog_is_filled_and_drained(redis_url: str, database_url: DatabaseUrl) -> None:
    job = Job("fill", 1_000, await database_url(""), redis_url)
    await module_output("bench.pipeline", job, timeout=30)
    drained = msgspec.structs.replace(job, act="drain")
    found = msgspec.convert(await module_output("bench.pipeline", drained, timeout=30), Result)
    assert found.mib_peak >= found.mib_before > 1
