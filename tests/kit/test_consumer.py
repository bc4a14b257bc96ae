"""What arrives is applied once, in order, and what cannot be applied holds nothing up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.errors import BreakerOpen, Conflict, Unavailable
from nextbuy.contracts.message import Envelope
from nextbuy.kit.events import handling
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.consumer import Consumer
from nextbuy.kit.events.handling import RetryPolicy, Stopped
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Listening, Service, on, on_batch, on_many
from nextbuy.kit.storage.database import Database, Transaction, in_transaction
from tests.conftest import DatabaseUrl
from tests.kit.shop import EFFECTS, Counted, LogFile, Told, count, effects, note_all, numbers_by_key, packet, send
from tests.kit.test_outbox import count_is, killed
from tests.waiting import until

Batched = Sequence[tuple[Counted, Envelope]]


class Desk:
    """Makes consumers, and runs them."""

    def __init__(self, database: Database, bus: RedisBus, log_file: LogFile) -> None:
        self.database, self.bus, self.log_file = database, bus, log_file

    def consumer(self, *listens: Listening) -> Consumer:
        service = Service(name="desk", deps=object, listens=listens)
        return Consumer(service, None, self.database, self.bus, self.log_file.journal, group="desk")

    @asynccontextmanager
    async def consuming(self, *listens: Listening) -> AsyncIterator[Consumer]:
        consumer = self.consumer(*listens)
        tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(consumer.replayer.run())]
        yield consumer
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def at(desk: Database, bus: RedisBus, log_file: LogFile) -> Desk:
    return Desk(desk, bus, log_file)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before another attempt are short."""
    monkeypatch.setattr(handling, "WAIT_BASE", 0.001)


def noting(got: list[int]) -> Callable[[Any, Counted, Envelope], Any]:
    async def note(_deps: object, event: Counted, _envelope: Envelope) -> None:
        got.append(event.n)

    return note


async def test_an_event_that_comes_twice_has_one_effect(at: Desk) -> None:
    packets = [packet(Counted(about="a", n=n)) for n in range(10)]
    got: list[int] = []
    async with at.consuming(on_batch("note-all", [Counted], note_all), on("note", Counted, noting(got))):
        await at.bus.publish([*packets, packets[3]])
        await at.bus.publish(packets)
        await at.bus.publish([packet(Counted(about="a", n=10))])
        await until(lambda: 10 in got)
    assert await effects(at.database) == [("a", n) for n in range(11)]
    assert got == list(range(11))


async def test_a_consumer_killed_before_it_acknowledged_leaves_no_second_effect(
    bus: RedisBus, log_file: LogFile, database_url: DatabaseUrl, redis_url: str
) -> None:
    url = await database_url("")
    database = await Database.connect(url, "desk")
    await database.execute(EFFECTS)
    await send(bus, *[Counted(about="a", n=n) for n in range(5)])
    assert await killed("consumer", url, redis_url)
    assert len(await effects(database)) == 5
    async with Desk(database, bus, log_file).consuming(on_batch("note-all", [Counted], note_all)):
        await send(bus, Counted(about="a", n=5))
        await until(lambda: count_is(database, "effects", 6))
    assert await effects(database) == [("a", n) for n in range(6)]
    await database.close()


async def test_poison_is_buried_and_what_is_behind_it_goes_on(at: Desk) -> None:
    good = [packet(Counted(about="a", n=n)) for n in range(6)]
    poison = [
        BusMessage("test.counted", "a", b"{"),
        BusMessage("test.counted", "a", b"\xff\x00"),
        packet(Counted(about="a", n=-1), type="test.unheard-of"),
        packet(Counted(about="a", n=-2), data=msgspec.Raw(b'{"about": "a", "n": "many"}')),
        packet(Counted(about="a", n=-3), data=msgspec.Raw(b"[" * 5000)),
    ]
    mixed = [one for pair in zip(good, [*poison, good[0]], strict=True) for one in pair]
    async with at.consuming(on_batch("note-all", [Counted], note_all)):
        await at.bus.publish(mixed)
        await until(lambda: count_is(at.database, "effects", 6))
    assert await effects(at.database) == [("a", n) for n in range(6)]
    rows = await at.database.fetch("SELECT * FROM dead_letters ORDER BY id")
    assert [bytes(row["envelope"]) for row in rows] == [one.body for one in poison]
    assert [row["event_id"] is None for row in rows] == [True, True, False, False, True]
    assert {row["attempts"] for row in rows} == {1}
    assert "test.unheard-of" in rows[2]["reason"]
    assert "$.n" in rows[3]["reason"]


async def test_a_newer_sender_may_add_fields(at: Desk) -> None:
    newer = packet(
        Counted(about="a", n=1), data=msgspec.Raw(b'{"about": "a", "n": 1, "colour": "red"}'), schema_version=2
    )
    async with at.consuming(on_batch("note-all", [Counted], note_all)):
        await at.bus.publish([newer])
        await until(lambda: count_is(at.database, "effects", 1))
    assert await count(at.database, "dead_letters") == 0


@pytest.mark.usefixtures("quick")
async def test_one_bad_event_does_not_take_its_batch_with_it(at: Desk) -> None:
    async def picky(deps: object, tx: Transaction, pairs: Batched) -> None:
        await note_all(deps, tx, pairs)
        if any(event.n in {7, 8, 31} for event, _ in pairs):
            raise ValueError("these will not do")

    packets = [packet(Counted(about="a", n=n)) for n in range(40)]
    await at.bus.publish(packets)
    async with at.consuming(on_batch("picky", [Counted], picky)):
        await until(lambda: count_is(at.database, "effects", 37))
        await until(lambda: count_is(at.database, "dead_letters", 3))
    assert await effects(at.database) == [("a", n) for n in range(40) if n not in {7, 8, 31}]
    rows = await at.database.fetch("SELECT handler, reason, attempts, error_chain FROM dead_letters")
    assert {(row["handler"], row["reason"], row["attempts"]) for row in rows} == {
        ("picky", "ValueError: these will not do", handling.MAX_FAILURES)
    }
    assert "test_consumer.py" in rows[0]["error_chain"][0]


async def test_what_is_refused_is_buried_at_once_and_what_may_pass_is_waited_for(at: Desk) -> None:
    got: list[int] = []
    away = True

    async def act(_deps: object, event: Counted, _envelope: Envelope) -> None:
        if event.n == 1:
            raise Conflict("No.", slug="not-this-one")
        if event.n == 3 and away:
            tries.append(time.monotonic())
            raise Unavailable("Away.", retry_after=0.1)
        got.append(event.n)

    tries: list[float] = []
    others: list[int] = []
    async with at.consuming(on("act", Counted, act), on("note", Told, noting(others))):
        await send(at.bus, *[Counted(about="a", n=n) for n in range(6)], Told(about="b", n=100))
        await until(lambda: len(tries) >= handling.MAX_FAILURES + 2)
        assert got == [0, 2]
        assert others == [100]
        assert min(later - sooner for sooner, later in pairwise(tries)) >= 0.1
        away = False
        await until(lambda: len(got) == 5)
    assert got == [0, 2, 3, 4, 5]
    rows = await at.database.fetch("SELECT reason, attempts FROM dead_letters")
    assert [tuple(row) for row in rows] == [("not-this-one: No.", 1)]
    outcomes = {line["outcome"] for line in at.log_file.lines("consume")}
    assert outcomes == {"ok", "not-this-one"}


async def test_who_is_stopped_while_it_notes_what_it_did_does_not_take_that_for_a_failure() -> None:
    stopping = asyncio.Event()
    patience = RetryPolicy(stopping)

    async def never_noted() -> None:
        stopping.set()
        raise ConnectionError

    with pytest.raises(Stopped):
        await patience.attempt("telling", lambda: patience.retry_until_stopped("noting", never_noted), most=1)


async def test_what_an_open_breaker_refuses_is_waited_out_and_no_attempt(
    at: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    async def act(_deps: object, _event: Counted, _envelope: Envelope) -> None:
        tries.append(time.monotonic())
        if len(tries) <= 3:
            raise BreakerOpen("Admin failed too often.", retry_after=0.3)
        raise Conflict("No.")

    async with at.consuming(on("act", Counted, act)):
        await send(at.bus, Counted(about="a", n=1))
        await until(lambda: count_is(at.database, "dead_letters", 1))
    assert min(later - sooner for sooner, later in pairwise(tries)) >= 0.3
    assert await at.database.fetchval("SELECT attempts FROM dead_letters") == 1
    assert [record.levelname for record in caplog.records if "has to wait" in record.message] == ["WARNING"]


@pytest.mark.usefixtures("quick")
async def test_a_database_that_breaks_off_buries_nothing(at: Desk) -> None:
    broken: list[int] = []

    async def act(deps: object, tx: Transaction, pairs: Batched) -> None:
        await note_all(deps, tx, pairs)
        if len(broken) < handling.MAX_FAILURES + 2:
            broken.append(len(pairs))
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async with at.consuming(on_batch("act", [Counted], act)):
        await send(at.bus, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: count_is(at.database, "effects", 5))
    assert await count(at.database, "dead_letters") == 0


@pytest.mark.usefixtures("quick")
async def test_many_events_are_told_at_once_and_the_one_to_blame_alone_is_buried(at: Desk) -> None:
    told: list[list[int]] = []

    async def tell(_deps: object, pairs: Batched) -> None:
        told.append([event.n for event, _ in pairs])
        if any(event.n == 13 for event, _ in pairs):
            raise Conflict("Not this one.", slug="not-this-one")

    packets = [packet(Counted(about="a", n=n)) for n in range(32)]
    await at.bus.publish(packets)
    async with at.consuming(on_many("forward", [Counted], tell)):
        await until(lambda: count_is(at.database, "inbox", 32))
        attempts = len(told)
        await at.bus.publish(packets)
        await send(at.bus, Counted(about="a", n=99))
        await until(lambda: count_is(at.database, "inbox", 33))
    assert told[0] == list(range(32)), "as many as there are"
    assert attempts < 13
    assert [n for one in told if 13 not in one for n in one] == [*(n for n in range(32) if n != 13), 99]
    rows = await at.database.fetch("SELECT handler, reason FROM dead_letters")
    assert [tuple(row) for row in rows] == [("forward", "not-this-one: Not this one.")]


async def test_many_events_wait_for_whoever_is_told_of_them(at: Desk) -> None:
    told: list[int] = []
    tries = 0

    async def tell(_deps: object, pairs: Batched) -> None:
        nonlocal tries
        tries += 1
        if tries <= handling.MAX_FAILURES + 1:
            raise Unavailable("Away.", retry_after=0.01)
        told.extend(event.n for event, _ in pairs)
        assert not in_transaction()

    async with at.consuming(on_many("forward", [Counted], tell)):
        await send(at.bus, *[Counted(about="a", n=n) for n in range(5)])
        await until(lambda: count_is(at.database, "inbox", 5))
    assert told == list(range(5))
    assert await count(at.database, "dead_letters") == 0


async def test_two_consumers_of_one_group_keep_the_order_of_each_key(at: Desk) -> None:
    keys = [f"key-{number}" for number in range(8)]
    async with (
        at.consuming(on_batch("note-all", [Counted], note_all)),
        at.consuming(on_batch("note-all", [Counted], note_all)),
    ):
        for start in range(0, 50, 10):
            await send(at.bus, *[Counted(about=key, n=n) for n in range(start, start + 10) for key in keys])
        await until(lambda: count_is(at.database, "effects", 400))
    assert numbers_by_key(await effects(at.database)) == {key: list(range(50)) for key in keys}


async def test_a_stopped_consumer_finishes_what_is_in_hand_and_another_goes_on(at: Desk, redis: Redis) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    got: list[int] = []

    async def act(deps: object, event: Counted, envelope: Envelope) -> None:
        begun.set()
        await finish.wait()
        await noting(got)(deps, event, envelope)

    consumer = at.consumer(on("act", Counted, act))
    running = asyncio.create_task(consumer.run())
    await send(at.bus, *[Counted(about="a", n=n) for n in range(5)])
    await begun.wait()
    running.cancel()
    await asyncio.sleep(0)
    finish.set()
    await asyncio.gather(running, return_exceptions=True)
    assert got == [0]
    assert not await redis.keys("nextbuy:lease:*")
    async with at.consuming(on("act", Counted, act)):
        await until(lambda: len(got) == 5)
    assert got == list(range(5))


async def test_what_a_handler_publishes_names_the_event_as_its_cause(at: Desk) -> None:
    async def act(_deps: object, event: Counted, _envelope: Envelope) -> None:
        async with at.database.transaction() as tx:
            await publish(tx, Told(about=event.about, n=event.n))

    above = telemetry.start_span(request_id="request-1", sampled=True)
    sent = packet(Counted(about="a", n=1), traceparent=above.traceparent, correlation_id="request-1")
    async with at.consuming(on("act", Counted, act)):
        await at.bus.publish([sent])
        await until(lambda: count_is(at.database, "inbox", 1))
    row = await at.database.fetchrow("SELECT envelope::json->>'causation_id' AS cause, envelope FROM event_log")
    assert row is not None
    assert f'"id":"{row["cause"]}"'.encode() in sent.body
    [line] = at.log_file.lines("consume")
    assert (line["caller"], line["callee"], line["name"], line["attempt"]) == ("kafka", "", "test.counted", 1)
    assert (line["trace_id"], line["parent_id"]) == (above.trace_id, above.span_id)
    assert line["correlation_id"] == "request-1"
    assert above.trace_id in row["envelope"]
