"""Events from event logs are delivered after new ones, in the same calls, and withdrawn after a time limit."""

import asyncio
from collections.abc import Sequence

import pytest

from nextbuy.contracts.delivery import EventEntry
from nextbuy.contracts.errors import AppError, Conflict, Unavailable
from nextbuy.contracts.values import new_id
from nextbuy.kafka.late_delivery import LateEvent
from nextbuy.kit.service import subscribe
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import let_pass
from tests.kit.events.sample import RECORD_EFFECTS, Counted, applied, message, record_effects, refusing
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries"), pytest.mark.timeout(120)]


def late(numbers: Sequence[int], *subscriptions: str) -> list[LateEvent]:
    """Return an event per number, as read from an event log."""
    events = []
    for n in numbers:
        event_id = new_id()
        body = message(Counted(about="a", n=n), id=event_id).body
        events.append(LateEvent(event_id, n + 1, body, subscriptions or (RECORD_EFFECTS.name,)))
    return events


async def test_late_events_follow_new_ones_in_one_call(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]

    async def refuse_parts(entries: Sequence[EventEntry]) -> AppError | None:
        return Unavailable("Not yet.") if len(entries) < 6 else None

    sample.intercept = refuse_parts
    async with harness.delivering():
        delivering = asyncio.create_task(harness.deps.late.deliver("sample", Counted.topic, late(range(3)), 60))
        await until(lambda: bool(sample.calls))
        await harness.publish(*(Counted(about="a", n=n) for n in range(10, 13)))

        assert await delivering

    assert sample.calls[-1].numbers == [10, 11, 12, 0, 1, 2]


async def test_late_event_goes_only_to_the_subscriptions_that_lack_it(make_redis_harness: MakeHarness) -> None:
    other = subscribe("other", Counted, record_effects)
    harness = await make_redis_harness(sample=[RECORD_EFFECTS, other])
    async with harness.delivering():
        assert await harness.deps.late.deliver("sample", Counted.topic, late([1], "other"), 60)

    [call] = harness.destinations["sample"].calls
    assert call.entries[0].subscriptions == ["other"]


async def test_late_event_that_is_rejected_becomes_a_dead_letter(make_redis_harness: MakeHarness) -> None:
    refuse = subscribe(RECORD_EFFECTS.name, Counted, refusing([1], lambda: Conflict("No."), []))
    harness = await make_redis_harness(sample=[refuse])
    async with harness.delivering():
        assert await harness.deps.late.deliver("sample", Counted.topic, late(range(3)), 60)

    assert [letter.reason for letter in await harness.dead_letters()] == ["conflict: No."]


async def test_late_events_are_withdrawn_when_their_destination_stays_unavailable(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]

    async def refuse(_entries: Sequence[EventEntry]) -> AppError:
        return Unavailable("Not yet.")

    sample.intercept = refuse
    async with harness.delivering():
        assert not await harness.deps.late.deliver("sample", Counted.topic, late(range(3)), 0.1)
        sample.intercept = let_pass
        await harness.publish(Counted(about="a", n=10))
        await until(harness.is_done)

    assert (await applied(sample.database))[-1] == 10
    assert len(sample.calls[-1].entries) == 1


async def test_wait_for_late_events_ends_when_delivery_stops(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]

    async def refuse(_entries: Sequence[EventEntry]) -> AppError:
        return Unavailable("Not yet.")

    sample.intercept = refuse
    async with harness.delivering():
        delivering = asyncio.create_task(harness.deps.late.deliver("sample", Counted.topic, late(range(3)), 60))
        await until(lambda: bool(sample.calls))

    assert await delivering is False
