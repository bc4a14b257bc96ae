"""A dispatcher delivers waiting events in as few calls as fit, in order per topic, and delays no other destination."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import pytest

from nextbuy.contracts.delivery import MAX_BYTES, MAX_EVENTS, EventEntry, EventsReceived
from nextbuy.contracts.errors import (
    AppError,
    NotFound,
    ServiceUnavailable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from nextbuy.contracts.message import Event
from nextbuy.kafka.delivery import dispatcher
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.observability.interaction import Interaction, InteractionLine
from nextbuy.kit.observability.telemetry import Journal, start_span
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Database, Transaction
from nextbuy.kit.wire import Response, encode
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness, SampleDestination, let_pass
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    Handler,
    Inbound,
    Measured,
    Padded,
    applied,
    count,
    count_is,
    message,
    numbers_of,
    record_effects,
    recording,
)
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries"), pytest.mark.timeout(120)]
RECORD_ALL = subscribe("record-all", [Counted, Measured], record_effects)


def events(numbers: Sequence[int], kind: Callable[..., Event] = Counted) -> list[Event]:
    """Return an event per number, all of one key."""
    return [kind(about="a", n=n) for n in numbers]


def large(n: int, size: int) -> BusMessage:
    """Return an event with a body of about `size` bytes."""
    return message(Padded(about="a", n=n, padding="x" * size))


async def deliver_all(harness: DeliveryHarness) -> SampleDestination:
    """Deliver until all events are acknowledged; return the destination."""
    async with harness.delivering():
        await until(harness.is_done, "all events are acknowledged", timeout=60)
    return harness.destinations["sample"]


async def test_waiting_events_of_all_topics_are_sent_in_one_call(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_ALL, RECORD_EFFECTS])
    await harness.publish(*events(range(10)), *events(range(10, 20), Measured))

    async def refuse_parts(entries: Sequence[EventEntry]) -> AppError | None:
        return Unavailable("Not yet.") if len(entries) < 20 else None

    harness.destinations["sample"].intercept = refuse_parts
    sample = await deliver_all(harness)

    assert sorted(sample.calls[-1].numbers) == list(range(20))
    names = {tuple(entry.subscriptions) for entry in sample.calls[-1].entries}
    assert names == {("record-all", "record-effects"), ("record-all",)}
    assert sample.database.transactions == 1


async def test_call_has_at_most_five_hundred_events(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_ALL])
    await harness.publish(*events(range(400)), *events(range(400, 800), Measured))

    async def refuse_parts(entries: Sequence[EventEntry]) -> AppError | None:
        return Unavailable("Not yet.") if len(entries) < MAX_EVENTS else None

    sample = harness.destinations["sample"]
    sample.intercept = refuse_parts
    async with harness.delivering():
        await until(lambda: any(len(call.entries) == MAX_EVENTS for call in sample.calls), timeout=60)
        sample.intercept = let_pass
        await until(harness.is_done, "all events are acknowledged", timeout=60)

    assert max(len(call.entries) for call in sample.calls) == MAX_EVENTS
    assert sorted(await applied(sample.database)) == list(range(800))


async def test_call_has_at_most_512_kb_or_one_larger_event(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_ALL])
    await harness.publish(*(large(n, 600_000 if n == 7 else 100_000) for n in range(13)))

    sample = await deliver_all(harness)

    assert [call.numbers for call in sample.calls] == [[0, 1, 2, 3, 4], [5, 6], [7], [8, 9, 10, 11, 12]]
    assert all(call.size <= MAX_BYTES for call in sample.calls if call.numbers != [7])


@pytest.mark.parametrize("failure", ["timeout", TooLarge("No."), Unprocessable("No.")], ids=["timeout", "413", "422"])
async def test_call_that_is_too_large_is_halved_and_doubled_again(
    make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, failure: AppError | str
) -> None:
    harness = await make_redis_harness(sample=[RECORD_ALL])
    await harness.publish(*events(range(500)))
    sample = harness.destinations["sample"]

    async def refuse_four_calls(_entries: Sequence[EventEntry]) -> AppError | None:
        if len(sample.calls) == 4:
            monkeypatch.setattr(dispatcher, "CALL_TIMEOUT", 3.0)
        if len(sample.calls) > 4:
            return None
        if isinstance(failure, AppError):
            return failure
        await asyncio.Event().wait()
        raise AssertionError

    if failure == "timeout":
        monkeypatch.setattr(dispatcher, "CALL_TIMEOUT", 0.5)
    sample.intercept = refuse_four_calls
    await deliver_all(harness)

    assert [len(call.entries) for call in sample.calls] == [500, 250, 125, 62, 31, 62, 124, 248, 35]
    assert await applied(sample.database) == list(range(500))
    assert await harness.dead_letters() == []


async def test_event_that_is_too_large_for_its_destination_is_a_dead_letter_at_once(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_ALL])
    sample = harness.destinations["sample"]

    async def refuse_the_fourth(entries: Sequence[EventEntry]) -> AppError | None:
        bodies = [msgspec.json.decode(bytes(entry.envelope)) for entry in entries]
        return TooLarge("Too large.") if any(body["data"]["n"] == 3 for body in bodies) else None

    sample.intercept = refuse_the_fourth
    await harness.publish(*events(range(8)))
    await deliver_all(harness)

    assert await applied(sample.database) == [0, 1, 2, 4, 5, 6, 7]
    [letter] = await harness.dead_letters()
    assert (letter.destination, letter.reason) == ("sample", "Too large.")


def for_other_events(results: list[list[object]]) -> Response:
    """Return an answer with a wrong number of results."""
    return Response(200, encode(EventsReceived(results)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure",
    [
        NotFound("No."),
        Unauthenticated("No."),
        Unavailable("No."),
        for_other_events([]),
        for_other_events([[] for _ in range(10)]),
    ],
    ids=["404", "401", "503", "too few entries", "too few subscriptions"],
)
async def test_any_other_failure_waits_with_one_call_per_interval_and_loses_nothing(
    make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, failure: AppError | Response
) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_INTERVAL", 0.2)
    harness = await make_redis_harness(sample=[RECORD_ALL])
    await harness.publish(*events(range(10)))
    sample = harness.destinations["sample"]

    async def fail(_entries: Sequence[EventEntry]) -> AppError | Response | None:
        return failure if len(sample.calls) < 5 else None

    sample.intercept = fail
    await deliver_all(harness)

    assert [len(call.entries) for call in sample.calls] == [10] * 5
    assert min(after.at - before.at for before, after in pairwise(sample.calls)) >= 0.19
    assert await applied(sample.database) == list(range(10))
    assert await harness.dead_letters() == []


async def test_unavailable_destination_delays_no_other(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_ALL], second=[RECORD_ALL])
    sample, second = harness.destinations.values()
    second.available = False
    async with harness.delivering():
        for start in range(0, 50, 10):
            await harness.publish(*events(range(start, start + 10)))
            await until(lambda: count_is(sample.database, "effects", start + 10))  # noqa: B023
        await until(harness.is_done, "all events are acknowledged by the available destination")
        assert await harness.lag("second") == 50
        assert await count(second.database, "inbox") == 0

        second.available = True
        await until(lambda: harness.is_done("second"), "the destination that was unavailable catches up")
    assert await applied(second.database) == await applied(sample.database) == list(range(50))
    assert await harness.dead_letters() == []


def failing_until(fixed: Callable[[], bool], number: int) -> Handler:
    """Return a handler with a transient failure at one number until it is fixed."""

    async def act(deps: object, tx: Transaction, inbound: Inbound) -> None:
        if number in numbers_of(inbound) and not fixed():
            raise ServiceUnavailable("sample")
        await record_effects(deps, tx, inbound)

    return act


async def test_events_of_a_topic_stay_in_order_through_retries(make_harness: MakeHarness) -> None:
    failures = dict.fromkeys([3, 7, 40], 3)

    async def act(deps: object, tx: Transaction, inbound: Inbound) -> None:
        for n in numbers_of(inbound):
            if failures.get(n):
                failures[n] -= 1
                raise ServiceUnavailable("sample")
        await record_effects(deps, tx, inbound)

    other = subscribe("other", [Counted, Measured], recording("other"))
    harness = await make_harness(sample=[subscribe("record", [Counted, Measured], act), other])
    await harness.publish(*events(range(50)), *events(range(100, 150), Measured))

    sample = await deliver_all(harness)

    for by in ("record_effects", "other"):
        numbers = await applied(sample.database, by)
        assert [n for n in numbers if n < 100] == list(range(50))
        assert [n for n in numbers if n >= 100] == list(range(100, 150))
    assert failures == dict.fromkeys([3, 7, 40], 0)


async def test_batch_is_acknowledged_when_done_and_at_shutdown_up_to_its_first_open_event(
    make_harness: MakeHarness,
) -> None:
    fixed = False
    harness = await make_harness(sample=[subscribe("record", Counted, failing_until(lambda: fixed, 4))])
    sample = harness.destinations["sample"]
    await harness.publish(*events(range(10)))
    async with harness.delivering():
        await until(lambda: count_is(sample.database, "effects", 4))
        await until(lambda: sample.calls[-1].numbers == [4], "the event that fails is sent alone")
        assert await harness.lag() == 10
    assert await harness.lag() == 6

    fixed, calls = True, len(sample.calls)
    await deliver_all(harness)

    assert min(n for call in sample.calls[calls:] for n in call.numbers) == 4
    assert await applied(sample.database) == list(range(10))


async def rows_by_table(database: Database) -> dict[str, int]:
    """Return the number of rows of each table."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"]: await count(database, row["tablename"]) for row in tables}


async def test_successful_deliveries_store_nothing_in_the_kafka_database(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_ALL, RECORD_EFFECTS])
    before = await rows_by_table(harness.database)
    await harness.publish(*events(range(200)))

    sample = await deliver_all(harness)

    assert await count(sample.database, "inbox") == 400
    assert await rows_by_table(harness.database) == before


async def test_failed_call_is_linked_to_the_trace_of_each_event(
    make_redis_harness: MakeHarness, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "RETRY_INTERVAL", 0.02)
    recorded: list[Interaction] = []

    def record(interaction: InteractionLine, line: bytes, *, sampled: bool) -> None:
        if interaction.kind == "call":
            assert sampled
            recorded.append(msgspec.json.decode(line, type=InteractionLine).complete())

    monkeypatch.setattr(journal, "recorder", record)
    harness = await make_redis_harness(sample=[RECORD_ALL])
    sample = harness.destinations["sample"]
    traces = [start_span() for _ in range(3)]
    await harness.publish(
        *(message(Counted(about="a", n=n), traceparent=one.traceparent) for n, one in enumerate(traces))
    )

    failures = iter([Unavailable("no database")])

    async def fail_once(_entries: Sequence[EventEntry]) -> AppError | None:
        return next(failures, None)

    sample.intercept = fail_once
    await deliver_all(harness)

    failed = recorded[0]
    assert (failed.name, failed.outcome, failed.reason) == ("receive-events", "unavailable", "no database")
    assert failed.links == [one.trace_id for one in traces]
    assert failed.trace_id not in failed.links
