"""The pipeline of events alone: outbox, relay, bus, dispatcher, and receiver in one process, on real engines.

As a program: reads a job as JSON from standard input, runs it, and prints the result.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
import msgspec
import uvloop
from msgspec import Struct
from redis.asyncio import Redis

from bench.report import percentile
from nextbuy.contracts.delivery import DeliveryClient, receive_events_of
from nextbuy.contracts.message import Call, Check
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import PricedLine
from nextbuy.contracts.values import Money, new_id
from nextbuy.kafka.delivery.dispatcher import Dispatcher
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.interface import Bus, BusMessage
from nextbuy.kit.events.bus.kafka import KafkaBus
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.kit.events.outbox import make_envelope, publish
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.events.relay import Relay
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Service, subscribe
from nextbuy.kit.service_context import Destination
from nextbuy.kit.storage.database import Database, Transaction
from nextbuy.kit.wire import encode

PREFIX: Final = "bench."
_TABLE: Final = "CREATE TABLE IF NOT EXISTS applied (event_id uuid, order_id uuid, total bigint)"
PER_SECOND: Final = 100
_IN_A_TRANSACTION: Final = 100
_APPLY: Final = "INSERT INTO applied SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])"
_NOTIFY: Final = "SELECT pg_notify('applied', array_to_string($1::uuid[], ','))"
_MIB: Final = 1024 * 1024


class Job(Struct):
    """A measurement: its kind, the number of events, and the engines; without `kafka`, the bus is Redis."""

    act: Literal["carry", "latency", "fill", "drain"]
    events: int
    database: str
    redis: str
    kafka: str = ""


class Result(Struct):
    """The result of a job. Memory: at the first batch, the peak of the first half, and the peak."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    mib_before: float = 0.0
    mib_half: float = 0.0
    mib_peak: float = 0.0


def event() -> OrderCreated:
    """Return a typical event: an order of two lines, about 1 kB with its envelope."""
    shop, price = new_id(), Money(2_450, "USD")
    titles = ("Sturdy oak lamp by Larkspur", "Portable radio with a leather strap")
    return OrderCreated(
        order_id=new_id(),
        number="NB-2026-000123",
        session_id=new_id(),
        buyer_id=new_id(),
        shop_id=shop,
        total=Money(4_900, "USD"),
        lines=[PricedLine(new_id(), shop, title, 1, price) for title in titles],
        seller_id=new_id(),
    )


def bus_messages(count: int) -> list[BusMessage]:
    """Return `count` events, encoded for a bus."""
    made = [make_envelope(event(), "order", telemetry.start_span()) for _ in range(count)]
    return [
        BusMessage(envelope.type, envelope.key, msgspec.json.encode(envelope), position)
        for position, envelope in enumerate(made, 1)
    ]


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / _MIB


class _Pipeline:
    """The parts of a pipeline, composed as in a service."""

    def __init__(self, database: Database, bus: Bus, journal: telemetry.Journal) -> None:
        self.database, self.bus = database, bus
        self.relay = Relay(database, bus, journal)
        self.sizes: list[float] = []
        self.seen = 0
        self.notifies = False
        service = Service(name="bench", deps=object, subscriptions=[subscribe("apply", [OrderCreated], self._apply)])
        self.receiver = Receiver(service, None, database, journal)
        self.dispatcher = Dispatcher(
            Destination("bench", {OrderCreated.topic: ["apply"]}),
            DeliveryClient(self._send),
            bus,
            database,
            asyncio.Queue(),
        )

    async def _send(self, call: Call[Any], _check: Check[Any] | None = None) -> Any:  # noqa: ANN401  of whatever type the call says
        """Deliver events as the bytes of a call, as between two processes."""
        received = msgspec.json.decode(encode(call), type=receive_events_of("bench"))
        return await self.receiver.receive(None, received)

    async def _apply(self, _deps: object, tx: Transaction, inbound: Sequence[InboundEvent]) -> None:
        ids, events = [one.id for one in inbound], [one.event for one in inbound]
        orders = [event for event in events if isinstance(event, OrderCreated)]
        await tx.execute(_APPLY, ids, [event.order_id for event in orders], [event.total.amount for event in orders])
        if self.notifies:
            await tx.execute(_NOTIFY, ids)
        self.seen += len(inbound)
        self.sizes.append(resident())

    async def applied(self, count: int) -> None:
        """Wait until `count` events have been applied and committed."""
        while self.seen < count:  # noqa: ASYNC110  the next loop polls too
            await asyncio.sleep(0.001)
        while await self.database.fetchval("SELECT count(*) FROM applied") < count:  # noqa: ASYNC110  a table sends no signal
            await asyncio.sleep(0.001)


async def _put(pipeline: _Pipeline, count: int) -> None:
    for done in range(0, count, _IN_A_TRANSACTION):
        async with pipeline.database.transaction() as tx:
            await publish(tx, *[event() for _ in range(min(_IN_A_TRANSACTION, count - done))])


async def _carry(pipeline: _Pipeline, job: Job, run: AsyncExitStack) -> Result:
    await run.enter_async_context(_running(pipeline.dispatcher.run()))
    await _put(pipeline, 1)
    # Buckets may still be leased by the relay of an earlier run, which was stopped.
    while not await pipeline.relay.publish_batch():  # noqa: ASYNC110  a lease that expires sends no signal
        await asyncio.sleep(0.1)
    await pipeline.applied(1)
    await _put(pipeline, job.events)
    started, used = time.perf_counter(), time.process_time()
    await run.enter_async_context(_running(pipeline.relay.run()))
    await pipeline.applied(1 + job.events)
    return Result(time.perf_counter() - started, time.process_time() - used)


async def _latency(pipeline: _Pipeline, job: Job, run: AsyncExitStack) -> Result:
    committed: dict[str, float] = {}
    taken: list[float] = []
    pipeline.notifies = True

    def on_notification(_connection: object, _pid: int, _channel: str, ids: object) -> None:
        now = time.perf_counter()
        taken.extend(now - committed[one] for one in str(ids).split(","))

    connection = await asyncpg.connect(job.database)
    run.push_async_callback(connection.close)
    await connection.add_listener("applied", on_notification)
    for part in (pipeline.dispatcher, pipeline.relay):
        await run.enter_async_context(_running(part.run()))
    started = time.perf_counter()
    for number in range(job.events):
        await asyncio.sleep(started + number / PER_SECOND - time.perf_counter())
        async with pipeline.database.transaction() as tx:
            one = await publish(tx, event())
            committed[str(one[0])] = time.perf_counter()
    while len(taken) < job.events:  # noqa: ASYNC110  fine enough for the figure
        await asyncio.sleep(0.001)
    # In the first second, topics are created and the group is formed.
    steady = [seconds * 1000 for seconds in taken[PER_SECOND:]]
    return Result(p50_ms=percentile(steady, 0.5), p99_ms=percentile(steady, 0.99))


async def _fill(pipeline: _Pipeline, job: Job, _run: AsyncExitStack) -> Result:
    started = time.perf_counter()
    for _ in range(0, job.events, 1_000):
        await pipeline.bus.publish(bus_messages(1_000))
    return Result(seconds=time.perf_counter() - started)


async def _drain(pipeline: _Pipeline, job: Job, run: AsyncExitStack) -> Result:
    started = time.perf_counter()
    await run.enter_async_context(_running(pipeline.dispatcher.run()))
    await pipeline.applied(job.events)
    sizes = pipeline.sizes
    return Result(
        seconds=time.perf_counter() - started,
        mib_before=sizes[0],
        mib_half=max(sizes[: len(sizes) // 2 + 1]),
        mib_peak=max(sizes),
    )


_ACTS: Final = {"carry": _carry, "latency": _latency, "fill": _fill, "drain": _drain}


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:  # noqa: ANN401  a coroutine
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _do(job: Job) -> Result:
    async with AsyncExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        journal = telemetry.Journal(log.fileno())
        telemetry.route_logging(journal)
        database = await Database.connect(job.database, "bench")
        stack.push_async_callback(database.close)
        await database.execute(_TABLE)
        await database.execute("TRUNCATE applied")
        redis = Redis.from_url(job.redis)
        stack.push_async_callback(redis.aclose)
        bus: Bus = KafkaBus(Kafka(servers=job.kafka, prefix=PREFIX)) if job.kafka else RedisBus(redis, PREFIX)
        stack.push_async_callback(bus.close)
        async with AsyncExitStack() as run:
            return await _ACTS[job.act](_Pipeline(database, bus, journal), job, run)


def main() -> None:
    """Run the job of standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(_do(job))))


if __name__ == "__main__":
    main()
