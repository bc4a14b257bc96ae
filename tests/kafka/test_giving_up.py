"""A dispatcher gives up an event that fails alone, and stores its dead letter before it acknowledges the event."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from nextbuy.contracts.delivery import EventEntry
from nextbuy.contracts.errors import AppError, ServiceUnavailable, Unprocessable
from nextbuy.kafka.dead_letters.store import store_dead_letters
from nextbuy.kafka.delivery import dispatcher
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness
from tests.kit.events.sample import (
    Counted,
    Inbound,
    Measured,
    applied,
    numbers_of,
    record_effects,
    refuse,
    refusing,
    rejections_in,
)
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries"), pytest.mark.timeout(120)]
TYPES = [Counted, Measured]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are given up soon."""
    monkeypatch.setattr(dispatcher, "GIVE_UP_AFTER", 0.3)


async def has_letters_while_others_succeed(harness: DeliveryHarness) -> bool:
    await harness.publish(Measured(about="b", n=1_000))
    return bool(await harness.dead_letters())


@pytest.mark.parametrize("refused_by", ["handler", "call"])
async def test_event_that_fails_alone_while_others_succeed_is_rejected(
    make_harness: MakeHarness, refused_by: str
) -> None:
    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        if 3 in numbers_of(events) and refused_by == "handler":
            raise ServiceUnavailable("sample")
        await record_effects(deps, tx, events)

    async def refuse_call(entries: Sequence[EventEntry]) -> AppError | None:
        refused = refused_by == "call" and any(b'"n":3}' in bytes(entry.envelope) for entry in entries)
        return Unprocessable("Not this one.") if refused else None

    harness = await make_harness(sample=[subscribe("record", TYPES, act)])
    sample = harness.destinations["sample"]
    sample.intercept = refuse_call
    await harness.publish(*(Counted(about="a", n=n) for n in range(6)))
    async with harness.delivering():
        await until(partial(has_letters_while_others_succeed, harness), "a dead letter", timeout=30)
        await until(harness.is_done, "all events are acknowledged")

    [letter] = await harness.dead_letters()
    assert letter.envelope["data"] == {"about": "a", "n": 3}
    assert (letter.destination, letter.subscription) == ("sample", "record")
    if refused_by == "handler":
        assert letter.reason.startswith("given up after ")
        assert "sample-unavailable" in letter.reason
        assert await rejections_in(sample.database) == [letter.reason]
    else:
        assert "Not this one." in letter.reason
    assert letter.attempts > 2
    assert [n for n in await applied(sample.database) if n < 1_000] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("failing_first", [False, True], ids=["all topics at once", "one topic recovers last"])
async def test_nothing_is_rejected_while_the_whole_destination_is_unavailable(
    make_harness: MakeHarness, *, failing_first: bool
) -> None:
    available: set[int] = set()

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        if not available.issuperset(numbers_of(events)):
            raise ServiceUnavailable("sample")
        await record_effects(deps, tx, events)

    harness = await make_harness(sample=[subscribe("record", TYPES, act)])
    sample = harness.destinations["sample"]
    await harness.publish(Counted(about="a", n=1), Measured(about="a", n=2))
    async with harness.delivering():
        await until(lambda: bool(sample.calls))
        began = sample.calls[0].at
        await until(lambda: sample.calls[-1].at > began + 1.0, "an outage of several times the limit")
        if failing_first:
            available.add(2)
            await until(lambda: applied_is(harness, [2]), "the first topic recovers")
        available.update({1, 2})
        await until(harness.is_done, "all events are acknowledged")

    assert sorted(await applied(sample.database)) == [1, 2]
    assert await harness.dead_letters() == []


async def applied_is(harness: DeliveryHarness, numbers: list[int]) -> bool:
    return await applied(harness.destinations["sample"].database) == numbers


async def test_event_is_not_acknowledged_before_its_dead_letter_is_stored(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await make_harness(sample=[subscribe("record", Counted, refusing({1}, refuse, []))])
    failures = 0

    async def fail(*_: object) -> None:
        nonlocal failures
        failures += 1
        raise OSError("database unavailable")

    await harness.publish(*(Counted(about="a", n=n) for n in range(3)))
    async with harness.delivering():
        with monkeypatch.context() as patch:
            patch.setattr(dispatcher, "store_dead_letters", fail)
            await until(lambda: failures > 5)
            assert await harness.lag() == 3
        await until(harness.is_done, "all events are acknowledged")
    assert [letter.envelope["data"]["n"] for letter in await harness.dead_letters()] == [1]


async def test_kill_between_dead_letter_and_acknowledgement_leaves_one_dead_letter(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await make_harness(sample=[subscribe("record", Counted, refusing({0}, refuse, []))])
    stored = asyncio.Event()

    async def store_and_hang(*arguments: object) -> None:
        await store_dead_letters(*arguments)  # type: ignore[arg-type]
        stored.set()
        await asyncio.Event().wait()

    await harness.publish(*(Counted(about="a", n=n) for n in range(3)))
    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "store_dead_letters", store_and_hang)
        async with harness.delivering():
            await stored.wait()
    assert len(await harness.dead_letters()) == 1
    assert await harness.lag() == 3

    async with harness.delivering():
        await until(harness.is_done, "all events are acknowledged")

    assert [letter.reason for letter in await harness.dead_letters()] == ["conflict: No."]
    assert await applied(harness.destinations["sample"].database) == [1, 2]
