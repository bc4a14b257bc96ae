"""The event pipeline on each bus: events per second, latency, and the memory of a consumer with a backlog."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from bench.market import Market
from bench.pipeline import PER_SECOND, Job, Result
from bench.plan import Plan
from bench.programs import ProgramError, module_output
from bench.report import Figure, Mark, compared
from nextbuy.embedded import running_urls as engines_of
from nextbuy.kit.storage.migrations import migrate
from tools import kafka

_DATABASE: Final = "bench_pipeline"
_TIMEOUT: Final = 120.0
_RATIO: Final = 0.3
_P99_MS: Final = {"Redis": 50, "Kafka": 100}
_GROWTH_MIB: Final = 8
_CEILING: Final = {
    "Redis": "redis-py: XADD in pipelines of 2,000, then XREADGROUP and XACK of 500: the same bytes, the same batches",
    "Kafka": "confluent-kafka: produce of 2,000 and flush, then consume of 500 and commit: the same bytes and batches",
}


async def pipeline(target: Market, plan: Plan) -> list[Figure]:
    """Measure Redis Streams, and Kafka if Java is installed."""
    server = target.database_url("postgres")
    _, redis = engines_of(target.data)
    if redis is None:
        message = "Redis does not run"
        raise ProgramError(message)
    async with _database(server) as database:
        figures = await _on("Redis", Job("carry", 0, database, redis), plan)
        if problem := kafka.missing():
            sys.stdout.write(f"  not measured on Kafka: {problem}\n")
            return figures
        with tempfile.TemporaryDirectory(prefix="nb-kafka-") as folder:
            broker = kafka.Broker(Path(folder), *kafka.free_ports(2))
            try:
                broker.start()
                figures += await _on("Kafka", Job("carry", 0, database, redis, broker.servers), plan)
            except kafka.CannotRun as error:
                sys.stdout.write(f"  not measured on Kafka: {error}\n")
            finally:
                broker.stop()
    return figures


@asynccontextmanager
async def _database(server: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
        await admin.execute(f"CREATE DATABASE {_DATABASE}")
        url = urlunsplit(urlsplit(server)._replace(path=f"/{_DATABASE}"))
        connection = await asyncpg.connect(url)
        await migrate(connection, ["nextbuy.kit.migrations"])
        await connection.close()
        yield url
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await admin.close()


async def _on(bus: str, engines: Job, plan: Plan) -> list[Figure]:
    return [
        await _throughput(bus, engines, plan.pipeline_events, plan.rounds),
        await _latency(bus, engines, PER_SECOND * plan.pipeline_seconds),
        await _memory(bus, engines, plan.backlog),
    ]


async def _throughput(bus: str, engines: Job, events: int, count: int) -> Figure:
    rounds: list[tuple[float, float]] = []
    for number in range(count + 1):
        # Round 0 warms both up and creates the topic of Kafka.
        job = msgspec.structs.replace(engines, events=events if number else 1_000)
        best = await _done("bench.pipeline_ceiling", job)
        ours = await _done("bench.pipeline", job)
        if number:
            rounds.append((events / best.seconds, events / ours.seconds))
    return compared(
        f"outbox to applied, {bus}",
        "/s",
        rounds,
        mark=Mark("at least", _RATIO),
        mix=f"{events:,} events of about 1 kB wait in the outbox; one relay, one consumer, one process, until "
        "each has its row and its inbox row (PostgreSQL, fsync on) and its two lines in the log",
        ceiling_is=f"{_CEILING[bus]}; no database, no log",
    )


async def _latency(bus: str, engines: Job, events: int) -> Figure:
    found = await _done("bench.pipeline", msgspec.structs.replace(engines, act="latency", events=events))
    return Figure(
        name=f"commit to applied, p99, {bus}",
        unit="ms",
        judged_unit="ms",
        ours=[found.p99_ms],
        values=[found.p99_ms],
        mark=Mark("at most", _P99_MS[bus]),
        mix=f"{events - PER_SECOND:,} events, {PER_SECOND} a second, each in a transaction of its own; from before its "
        "commit until the effect's commit is known",
        details={"p50 ms": found.p50_ms},
    )


async def _memory(bus: str, engines: Job, backlog: int) -> Figure:
    await _done("bench.pipeline", msgspec.structs.replace(engines, act="fill", events=backlog))
    found = await _done("bench.pipeline", msgspec.structs.replace(engines, act="drain", events=backlog))
    return Figure(
        name=f"growth of a consumer with a backlog, {bus}",
        unit="MiB",
        judged_unit="MiB",
        ours=[found.mib_peak - found.mib_half],
        values=[found.mib_peak - found.mib_half],
        mark=Mark("at most", _GROWTH_MIB),
        mix=f"{backlog:,} events of about 1 kB wait on the bus; resident memory at most, above what it was at "
        "most while the first half was applied",
        details={
            "MiB at the first batch": found.mib_before,
            "at most": found.mib_peak,
            "applied /s": backlog / found.seconds,
        },
    )


async def _done(module: str, job: Job) -> Result:
    return msgspec.convert(await module_output(module, job, timeout=_TIMEOUT), type=Result)
