"""A lying publisher or destination has the effect of one that fails: nothing is stored, delivered or acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from nextbuy.contracts.comparison import (
    ComparisonClient,
    EventSelection,
    list_logged_events_of,
    missing_events_of,
    read_logged_events_of,
)
from nextbuy.contracts.delivery import DeliveryClient, receive_events_of
from nextbuy.contracts.message import Call
from nextbuy.contracts.parking import (
    ParkedEvent,
    ParkedEventList,
    ParkedEventRef,
    ParkedEvents,
    ParkingClient,
    ReplayParkedEvents,
    list_parked_events_of,
    read_parked_events_of,
)
from nextbuy.contracts.registry import CALLS
from nextbuy.contracts.values import new_id
from nextbuy.kafka.comparison.compare_events import Rounds
from nextbuy.kafka.dead_letters.collect_parked_events import collect_parked_events
from nextbuy.kafka.dead_letters.replay_requests import request_replay
from nextbuy.kafka.dead_letters.run_replays import run_replays
from nextbuy.kafka.dead_letters.store import NewDeadLetter, store_dead_letters
from nextbuy.kafka.resends.resend_requests import request_resend
from nextbuy.kafka.resends.run_resends import run_resends
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc import calls
from tests.contracts.honest_replies import NOW, encoded
from tests.doubles import StubCalls
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness
from tests.kit.events.sample import RECORD_EFFECTS, Counted, message
from tests.lying_callee import Act, LyingCallee, assert_no_lie_has_an_effect, job
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries", "settled_at_once"), pytest.mark.timeout(120)]
DESTINATION, PUBLISHER = "sample", "shop"


async def comparison(harness: DeliveryHarness, callee: LyingCallee) -> Act:
    """Compare the event log with an inbox that has lost its rows."""
    await harness.publisher.publish(*(Counted(about="a", n=n) for n in range(4)))
    deps = replace(harness.deps, comparison=ComparisonClient(callee.send))

    async def lose_rows() -> None:
        for table in ("inbox", "compared_positions"):
            await harness.destinations[DESTINATION].database.execute(f"DELETE FROM {table}")

    async def compare() -> None:
        async with asyncio.TaskGroup() as tasks:
            await Rounds(deps).run(tasks)

    return Act(callee=callee, database=harness.database, run=compare, prepare=lose_rows)


async def resend(harness: DeliveryHarness, callee: LyingCallee) -> Act:
    """Deliver events from the event log again."""
    await harness.publisher.publish(*(Counted(about="a", n=n) for n in range(4)))
    rows = await harness.publisher.database.fetch("SELECT event_id FROM event_log")
    selection = EventSelection(topics=[Counted.topic], key="a", event_ids=[row["event_id"] for row in rows])
    deps = replace(harness.deps, comparison=ComparisonClient(callee.send))

    async def begin() -> None:
        await harness.database.execute("DELETE FROM resends")
        async with harness.database.transaction() as tx:
            await request_resend(tx, "operator", selection, DESTINATION)

    return Act(callee=callee, database=harness.database, run=job(lambda: run_resends(deps)), prepare=begin)


async def replay(harness: DeliveryHarness, callee: LyingCallee) -> Act:
    """Deliver a dead letter again."""
    deps = replace(harness.deps, delivery=DeliveryClient(callee.send))

    async def begin() -> None:
        await harness.database.execute("DELETE FROM dead_letters")
        event = message(Counted(about="a", n=1))
        letter = NewDeadLetter(
            delivery_key=str(new_id()),
            topic=Counted.topic,
            event_id=new_id(),
            event_type=Counted.topic,
            destination=DESTINATION,
            subscription=RECORD_EFFECTS.name,
            reason="busy",
            errors=[],
            attempts=1,
            body=event.body,
            position=1,
        )
        await store_dead_letters(harness.database, [letter])
        [stored] = await harness.dead_letters()
        await request_replay(harness.database, stored.id)

    return Act(callee=callee, database=harness.database, run=job(lambda: run_replays(deps)), prepare=begin)


async def collection(harness: DeliveryHarness, callee: LyingCallee) -> Act:
    """List the events that the bus has rejected as dead letters."""
    deps = replace(harness.deps, parking=ParkingClient(callee.send))

    async def begin() -> None:
        await harness.database.execute("DELETE FROM dead_letters")

    return Act(callee=callee, database=harness.database, run=job(lambda: collect_parked_events(deps)), prepare=begin)


def parked() -> StubCalls:
    """Return a publisher that has parked two events."""
    ids = [new_id(), new_id()]
    refs = [ParkedEventRef(position, one, NOW) for position, one in enumerate(ids, 1)]
    events = [
        ParkedEvent(position, one, "order.created", "too odd", encoded(PUBLISHER, one))
        for position, one in enumerate(ids, 1)
    ]
    return StubCalls(
        {
            list_parked_events_of(PUBLISHER): ParkedEventList(refs),
            read_parked_events_of(PUBLISHER): ParkedEvents(events),
        }
    )


MakeAct = Callable[[DeliveryHarness, LyingCallee], Awaitable[Act]]
ACTS: Final[dict[type[Call[Any]], MakeAct]] = {
    missing_events_of(DESTINATION): comparison,
    list_logged_events_of(PUBLISHER): comparison,
    read_logged_events_of(PUBLISHER): resend,
    receive_events_of(DESTINATION): replay,
    list_parked_events_of(PUBLISHER): collection,
    read_parked_events_of(PUBLISHER): collection,
}


@pytest.mark.parametrize(("call", "make"), ACTS.items(), ids=[call.name for call in ACTS])
async def test_lie_has_the_effect_of_a_failed_call(
    call: type[Call[Any]],
    make: MakeAct,
    make_redis_harness: MakeHarness,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(calls, "_MAX_ATTEMPTS", 1)
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    honest = parked() if make is collection else harness.deps.comparison._send
    act = await make(harness, LyingCallee(honest, call, journal))

    async with harness.delivering():
        await until(harness.has_passed)
        lies_sent = await assert_no_lie_has_an_effect(act, caplog)

    assert lies_sent > 2


def test_each_family_of_calls_is_lied_about() -> None:
    families = {call.__base__ for call in CALLS if call.__bases__ != (Call,) and "kafka" in call.callers}
    assert {call.__base__ for call in ACTS} == families - {ReplayParkedEvents}
