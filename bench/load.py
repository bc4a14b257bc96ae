"""Load from another process: wrk if it is installed, else this module as a program.

Both request some paths repeatedly over a few persistent connections for a fixed time, and count the responses.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from bench.http import Connection, request_bytes
from bench.machine import LOAD_CORE, can_pin, pin
from bench.programs import module_output, output_of
from bench.report import percentile

CONNECTIONS: Final = 16
_SLACK: Final = 15.0
_TASKSET: Final = shutil.which("taskset")
_LUA: Final = """
local asked, at = {}, 0
function init(args)
  for line in io.lines(args[1]) do asked[#asked + 1] = wrk.format("GET", line) end
end
function request() at = at % #asked + 1; return asked[at] end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nRESULT{"requests":%d,"seconds":%f,"bad":%d,"p50_ms":%f,"p99_ms":%f}\\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.timeout + e.status,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


class LoadError(Exception):
    """Too many responses were errors, so that the figure means nothing."""


class Result(Struct, frozen=True):
    """The result of a load; `bad` counts responses other than 2xx and 3xx, and broken connections."""

    requests: int
    seconds: float
    bad: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Successful responses per second."""
        return (self.requests - self.bad) / self.seconds


class _Job(Struct):
    port: int
    paths: list[str]
    seconds: float
    connections: int


def generator() -> str:
    """Return the name of the load generator."""
    return "wrk" if shutil.which("wrk") else "bench/load.py (uvloop, raw sockets)"


async def load(port: int, paths: Sequence[str], *, seconds: float, connections: int = CONNECTIONS) -> Result:
    """Request some paths of a server on this machine repeatedly, for `seconds`.

    Raises:
        LoadError: more than 1 % of the responses were bad.
    """
    job = _Job(port, list(paths), seconds, connections)
    wrk = shutil.which("wrk")
    result = await (_by_wrk(wrk, job) if wrk else _by_module(job))
    if result.bad * 100 > result.requests:
        message = f"{result.bad} of {result.requests} responses from port {port} were bad; one path was {paths[0]}"
        raise LoadError(message)
    return result


async def _by_wrk(wrk: str, job: _Job) -> Result:
    with tempfile.TemporaryDirectory(prefix="nb-load-") as folder:
        script, paths = _written(Path(folder), job)
        pinned = [_TASKSET, "-c", str(LOAD_CORE)] if _TASKSET and can_pin(LOAD_CORE) else []
        printed = await output_of(
            [
                *pinned, wrk, "-t1", f"-c{job.connections}", f"-d{job.seconds:g}s", "-s", script,
                f"http://127.0.0.1:{job.port}", "--", paths,
            ],
            timeout=job.seconds + _SLACK,
        )  # fmt: skip
    return msgspec.json.decode(printed.rpartition("RESULT")[2], type=Result)


def _written(folder: Path, job: _Job) -> tuple[Path, Path]:
    script, paths = folder / "load.lua", folder / "paths"
    script.write_text(_LUA, encoding="utf-8")
    paths.write_text("\n".join(job.paths) + "\n", encoding="utf-8")
    return script, paths


async def request_each(port: int, paths: Sequence[str], *, connections: int = CONNECTIONS) -> None:
    """Request each path once and ignore the response."""
    left = iter(paths)

    async def client() -> None:
        connection = await Connection.connect(port)
        for path in left:
            await connection.exchange(request_bytes("GET", path))
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))


async def _by_module(job: _Job) -> Result:
    return msgspec.convert(await module_output("bench.load", job, timeout=job.seconds + _SLACK), type=Result)


async def generate(job: _Job) -> Result:
    """Generate the load in this process."""
    requests = [request_bytes("GET", path) for path in job.paths]
    taken: list[float] = []
    bad = 0
    started = time.perf_counter()
    ends = started + job.seconds

    async def client(first: int) -> None:
        nonlocal bad
        connection = await Connection.connect(job.port)
        at = first
        try:
            while (sent := time.perf_counter()) < ends:
                status, _, _ = await connection.exchange(requests[at % len(requests)])
                taken.append(time.perf_counter() - sent)
                bad += status >= 400  # noqa: PLR2004
                at += job.connections
        finally:
            connection.close()

    await asyncio.gather(*(client(first) for first in range(job.connections)))
    seconds = time.perf_counter() - started
    return Result(len(taken), seconds, bad, percentile(taken, 0.5) * 1000, percentile(taken, 0.99) * 1000)


async def _main() -> None:
    pin(0, LOAD_CORE)
    result = await generate(msgspec.json.decode(sys.stdin.buffer.read(), type=_Job))
    sys.stdout.write(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
