"""A consumer applies each event once and in order, and events that fail block nothing."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.errors import BreakerOpen, Conflict, Unavailable
from nextbuy.contracts.message import Envelope
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.events.retry_policy import MAX_FAILURES, RetryPolicy, Stopped
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import on, on_batch, on_many
from nextbuy.kit.storage.database import Database, Transaction, in_transaction
from tests.conftest import DatabaseUrl
from tests.kit.events.sample import (
    EFFECTS,
    RECORD_EFFECTS,
    Batched,
    ConsumerHarness,
    Counted,
    LogFile,
    Measured,
    by_key,
    count,
    count_is,
    effects,
    message,
    record_effects,
    run_until_killed,
    send,
)
from tests.waiting import until


def appending_to(got: list[int]) -> Callable[[Any, Counted, Envelope], Any]:
    async def append(_deps: object, event: Counted, _envelope: Envelope) -> None:
        got.append(event.n)

    return append


async def test_event_delivered_twice_has_one_effect(harness: ConsumerHarness) -> None:
    messages = [message(Counted(about="a", n=n)) for n in range(10)]
    got: list[int] = []
    async with harness.consuming(RECORD_EFFECTS, on("append", Counted, appending_to(got))):
        await harness.bus.publish([*messages, messages[3]])
        await harness.bus.publish(messages)
        await harness.bus.publish([message(Counted(about="a", n=10))])
        await until(lambda: 10 in got)
    assert await effects(harness.database) == [("a", n) for n in range(11)]
    assert got == list(range(11))


async def test_consumer_killed_before_acknowledging_causes_no_second_effect(
    bus: RedisBus, log_file: LogFile, database_url: DatabaseUrl, redis_url: str
) -> None:
    url = await database_url("")
    database = await Database.connect(url, "sample")
    await database.execute(EFFECTS)
    await send(bus, *[Counted(about="a", n=n) for n in range(5)])
    assert await run_until_killed("consumer", url, redis_url)
    assert len(await effects(database)) == 5
    async with ConsumerHarness(database, bus, log_file).consuming(RECORD_EFFECTS):
        await send(bus, Counted(about="a", n=5))
        await until(lambda: count_is(database, "effects", 6))
    assert await effects(database) == [("a", n) for n in range(6)]
    await database.close()


async def test_undecodable_events_are_dead_lettered_and_others_applied(harness: ConsumerHarness) -> None:
    good = [message(Counted(about="a", n=n)) for n in range(6)]
    poison = [
        BusMessage("test.counted", "a", b"{"),
        BusMessage("test.counted", "a", b"\xff\x00"),
        message(Counted(about="a", n=-1), type="test.unheard-of"),
        message(Counted(about="a", n=-2), data=msgspec.Raw(b'{"about": "a", "n": "many"}')),
        message(Counted(about="a", n=-3), data=msgspec.Raw(b"[" * 5000)),
    ]
    mixed = [one for pair in zip(good, [*poison, good[0]], strict=True) for one in pair]
    async with harness.consuming(RECORD_EFFECTS):
        await harness.bus.publish(mixed)
        await until(lambda: count_is(harness.database, "effects", 6))
    assert await effects(harness.database) == [("a", n) for n in range(6)]
    rows = await harness.database.fetch("SELECT * FROM dead_letters ORDER BY id")
    assert [bytes(row["envelope"]) for row in rows] == [one.body for one in poison]
    assert [row["event_id"] is None for row in rows] == [True, True, False, False, True]
    assert {row["attempts"] for row in rows} == {1}
    assert "test.unheard-of" in rows[2]["reason"]
    assert "$.n" in rows[3]["reason"]


async def test_event_with_additional_fields_is_applied(harness: ConsumerHarness) -> None:
    newer = message(
        Counted(about="a", n=1), data=msgspec.Raw(b'{"about": "a", "n": 1, "colour": "red"}'), schema_version=2
    )
    async with harness.consuming(RECORD_EFFECTS):
        await harness.bus.publish([newer])
        await until(lambda: count_is(harness.database, "effects", 1))
    assert await count(harness.database, "dead_letters") == 0


@pytest.mark.usefixtures("quick_retries")
async def test_only_the_failing_events_of_a_batch_are_dead_lettered(harness: ConsumerHarness) -> None:
    async def picky(deps: object, tx: Transaction, pairs: Batched) -> None:
        await record_effects(deps, tx, pairs)
        if any(event.n in {7, 8, 31} for event, _ in pairs):
            raise ValueError("invalid numbers")

    messages = [message(Counted(about="a", n=n)) for n in range(40)]
    await harness.bus.publish(messages)
    async with harness.consuming(on_batch("picky", [Counted], picky)):
        await until(lambda: count_is(harness.database, "effects", 37))
        await until(lambda: count_is(harness.database, "dead_letters", 3))
    assert await effects(harness.database) == [("a", n) for n in range(40) if n not in {7, 8, 31}]
    rows = await harness.database.fetch("SELECT handler, reason, attempts, error_chain FROM dead_letters")
    assert {(row["handler"], row["reason"], row["attempts"]) for row in rows} == {
        ("picky", "ValueError: invalid numbers", MAX_FAILURES)
    }
    assert "test_consumer.py" in rows[0]["error_chain"][0]


async def test_permanent_failure_is_dead_lettered_at_once_and_transient_one_retried(harness: ConsumerHarness) -> None:
    got: list[int] = []
    attempts: list[float] = []
    others: list[int] = []
    unavailable = True

    async def act(_deps: object, event: Counted, _envelope: Envelope) -> None:
        if event.n == 1:
            raise Conflict("No.")
        if event.n == 3 and unavailable:
            attempts.append(time.monotonic())
            raise Unavailable("Unavailable.", retry_after=0.1)
        got.append(event.n)

    async with harness.consuming(on("act", Counted, act), on("append", Measured, appending_to(others))):
        await send(harness.bus, *[Counted(about="a", n=n) for n in range(6)], Measured(about="b", n=100))
        await until(lambda: len(attempts) >= MAX_FAILURES + 2)
        assert got == [0, 2]
        assert others == [100]
        assert min(later - sooner for sooner, later in pairwise(attempts)) >= 0.1
        unavailable = False
        await until(lambda: len(got) == 5)
    assert got == [0, 2, 3, 4, 5]
    rows = await harness.database.fetch("SELECT reason, attempts FROM dead_letters")
    assert [tuple(row) for row in rows] == [("conflict: No.", 1)]
    outcomes = {line["outcome"] for line in harness.log_file.lines("consume")}
    assert outcomes == {"ok", "conflict"}


async def test_shutdown_while_marking_is_not_a_handler_failure() -> None:
    stopping = asyncio.Event()
    policy = RetryPolicy(stopping)

    async def mark() -> None:
        stopping.set()
        raise ConnectionError

    with pytest.raises(Stopped):
        await policy.attempt("handler", lambda: policy.retry_until_stopped("mark", mark), max_failures=1)


async def test_open_breaker_is_waited_for_and_counts_no_attempt(
    harness: ConsumerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[float] = []

    async def act(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        attempts.append(time.monotonic())
        if len(attempts) <= 3:
            raise BreakerOpen("Admin failed too often.", retry_after=0.3)
        raise Conflict("No.")

    async with harness.consuming(on("act", Counted, act)):
        await send(harness.bus, Counted(about="a", n=1))
        await until(lambda: count_is(harness.database, "dead_letters", 1))
    assert min(later - sooner for sooner, later in pairwise(attempts)) >= 0.3
    assert await harness.database.fetchval("SELECT attempts FROM dead_letters") == 1
    assert [record.levelname for record in caplog.records if "failed temporarily" in record.message] == ["WARNING"]


@pytest.mark.usefixtures("quick_retries")
async def test_lost_database_connection_dead_letters_nothing(harness: ConsumerHarness) -> None:
    lost: list[int] = []

    async def act(deps: object, tx: Transaction, pairs: Batched) -> None:
        await record_effects(deps, tx, pairs)
        if len(lost) < MAX_FAILURES + 2:
            lost.append(len(pairs))
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async with harness.consuming(on_batch("act", [Counted], act)):
        await send(harness.bus, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: count_is(harness.database, "effects", 5))
    assert await count(harness.database, "dead_letters") == 0


@pytest.mark.usefixtures("quick_retries")
async def test_many_handler_gets_all_events_and_only_the_failing_one_is_dead_lettered(harness: ConsumerHarness) -> None:
    calls: list[list[int]] = []

    async def call(_deps: object, pairs: Batched) -> None:
        calls.append([event.n for event, _ in pairs])
        if any(event.n == 13 for event, _ in pairs):
            raise Conflict("Not this one.")

    messages = [message(Counted(about="a", n=n)) for n in range(32)]
    await harness.bus.publish(messages)
    async with harness.consuming(on_many("forward", [Counted], call)):
        await until(lambda: count_is(harness.database, "inbox", 32))
        attempts = len(calls)
        await harness.bus.publish(messages)
        await send(harness.bus, Counted(about="a", n=99))
        await until(lambda: count_is(harness.database, "inbox", 33))
    assert calls[0] == list(range(32))
    assert attempts < 13
    assert [n for numbers in calls if 13 not in numbers for n in numbers] == [*(n for n in range(32) if n != 13), 99]
    rows = await harness.database.fetch("SELECT handler, reason FROM dead_letters")
    assert [tuple(row) for row in rows] == [("forward", "conflict: Not this one.")]


async def test_many_handler_retries_transient_failure_without_a_transaction(harness: ConsumerHarness) -> None:
    got: list[int] = []
    attempts = 0

    async def call(_deps: object, pairs: Batched) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= MAX_FAILURES + 1:
            raise Unavailable("Unavailable.", retry_after=0.01)
        got.extend(event.n for event, _ in pairs)
        assert not in_transaction()

    async with harness.consuming(on_many("forward", [Counted], call)):
        await send(harness.bus, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: count_is(harness.database, "inbox", 5))
    assert got == list(range(5))
    assert await count(harness.database, "dead_letters") == 0


async def test_two_consumers_of_a_group_keep_the_order_of_each_key(harness: ConsumerHarness) -> None:
    keys = [f"key-{number}" for number in range(8)]
    async with (
        harness.consuming(RECORD_EFFECTS),
        harness.consuming(RECORD_EFFECTS),
    ):
        for start in range(0, 50, 10):
            await send(harness.bus, *[Counted(about=key, n=n) for n in range(start, start + 10) for key in keys])
        await until(lambda: count_is(harness.database, "effects", 400))
    assert by_key(await effects(harness.database)) == {key: list(range(50)) for key in keys}


async def test_stopped_consumer_finishes_its_event_and_another_continues(
    harness: ConsumerHarness, redis: Redis
) -> None:
    started, finish = asyncio.Event(), asyncio.Event()
    got: list[int] = []

    async def act(deps: object, event: Counted, envelope: Envelope) -> None:
        started.set()
        await finish.wait()
        await appending_to(got)(deps, event, envelope)

    consumer = harness.consumer(on("act", Counted, act))
    running = asyncio.create_task(consumer.run())
    await send(harness.bus, *[Counted(about="a", n=n) for n in range(5)])
    await started.wait()
    running.cancel()
    await asyncio.sleep(0)
    finish.set()
    await asyncio.gather(running, return_exceptions=True)
    assert got == [0]
    assert not await redis.keys("nextbuy:lease:*")
    async with harness.consuming(on("act", Counted, act)):
        await until(lambda: len(got) == 5)
    assert got == list(range(5))


async def test_event_published_by_a_handler_names_its_cause(harness: ConsumerHarness) -> None:
    async def act(_deps: object, event: Counted, _envelope: Envelope) -> None:
        async with harness.database.transaction() as tx:
            await publish(tx, Measured(about=event.about, n=event.n))

    parent = telemetry.start_span(request_id="request-1", sampled=True)
    sent = message(Counted(about="a", n=1), traceparent=parent.traceparent, correlation_id="request-1")
    async with harness.consuming(on("act", Counted, act)):
        await harness.bus.publish([sent])
        await until(lambda: count_is(harness.database, "inbox", 1))
    row = await harness.database.fetchrow("SELECT envelope::json->>'causation_id' AS cause, envelope FROM event_log")
    assert row is not None
    assert f'"id":"{row["cause"]}"'.encode() in sent.body
    [line] = harness.log_file.lines("consume")
    assert (line["caller"], line["callee"], line["name"], line["attempt"]) == ("kafka", "", "test.counted", 1)
    assert (line["trace_id"], line["parent_id"]) == (parent.trace_id, parent.span_id)
    assert line["correlation_id"] == "request-1"
    assert parent.trace_id in row["envelope"]
