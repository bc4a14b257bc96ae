"""A handler that fails or stalls holds up its own subscription and topic only, and nothing is applied in part."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from asyncpg import DiskFullError

from nextbuy.contracts.errors import Conflict, Unavailable
from nextbuy.contracts.message import Event
from nextbuy.kafka.delivery.dispatcher import CALL_TIMEOUT
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events import receiver as receiving
from nextbuy.kit.events.receiver import MAX_FAILURES, TIME_LIMIT
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kit.events.sample import (
    Counted,
    Inbound,
    Measured,
    ReceiverHarness,
    applied,
    break_down,
    count,
    counted,
    deliver,
    entry,
    numbers_of,
    outcomes,
    record_effects,
    recording,
    refuse,
    refusing,
    rejections_in,
)


async def test_transient_failure_stores_nothing_and_holds_back_its_topic_only(harness: ReceiverHarness) -> None:
    unavailable = {2}
    act = subscribe("act", [Counted, Measured], refusing(unavailable, lambda: Unavailable("Not now."), []))
    receiver = await harness.receiver(act, subscribe("other", Counted, recording("other")))
    kinds: list[type[Any]] = [Counted, Measured]
    entries = [
        entry(cast("Event", kinds[n % 2](about="a", n=n)), *(["act", "other"] if n % 2 == 0 else ["act"]))
        for n in range(6)
    ]

    results = await deliver(receiver, *entries)

    assert outcomes(results) == [*["retry applied", "applied"] * 3]
    assert {result.reason for row in results for result in row if result.outcome == "retry"} == {
        "unavailable: Not now."
    }
    assert await applied(harness.database, "record_effects") == [1, 3, 5]
    assert await applied(harness.database, "other") == [0, 2, 4]
    assert await count(harness.database, "inbox") == 6

    unavailable.clear()
    results = await deliver(receiver, *entries)

    assert outcomes(results) == [*["applied duplicate", "duplicate"] * 3]
    assert await applied(harness.database, "record_effects") == [1, 3, 5, 0, 2, 4]


async def test_event_waits_for_a_full_disk_and_becomes_no_dead_letter(harness: ReceiverHarness) -> None:
    full = {0}
    receiver = await harness.receiver(subscribe("act", Counted, refusing(full, lambda: DiskFullError("no space"), [])))

    for _ in range(8):
        assert outcomes(await deliver(receiver, entry(Counted(about="a", n=0), "act"))) == ["retry"]
    full.clear()
    assert outcomes(await deliver(receiver, entry(Counted(about="a", n=0), "act"))) == ["applied"]


@pytest.mark.parametrize("unavailable", [1, 2, 5])
async def test_events_after_a_transient_failure_wait_even_if_a_rejection_comes_first(
    harness: ReceiverHarness, unavailable: int
) -> None:
    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        if 0 in numbers_of(events):
            raise Conflict("No.")
        if unavailable in numbers_of(events):
            raise Unavailable("Not now.")
        await record_effects(deps, tx, events)

    receiver = await harness.receiver(subscribe("act", Counted, act))

    results = outcomes(await deliver(receiver, *counted(range(8), "act")))

    assert results[0] == "rejected"
    failed = results.index("retry")
    assert failed <= unavailable
    assert results[failed:] == ["retry"] * (8 - failed)
    assert await applied(harness.database) == list(range(1, failed))


async def test_failing_subscription_leaves_the_effect_of_another(harness: ReceiverHarness) -> None:
    one = subscribe("one", Counted, recording("one"))
    broken = subscribe("broken", Counted, refusing(range(20), break_down, []))
    last = subscribe("last", Counted, recording("last"))
    receiver = await harness.receiver(one, broken, last)

    results = await deliver(receiver, *counted(range(20), "one", "broken", "last"))

    assert outcomes(results) == ["applied rejected applied"] * 20
    assert await applied(harness.database, "one") == await applied(harness.database, "last") == list(range(20))
    assert await applied(harness.database, "record_effects") == []


@pytest.mark.parametrize("error", [refuse, break_down], ids=["permanent", "unforeseen"])
async def test_halving_finds_the_poison_and_applies_the_rest_in_order(
    harness: ReceiverHarness, error: Callable[[], Exception]
) -> None:
    poison = set(range(3, 500, 5))
    receiver = await harness.receiver(
        subscribe("act", Counted, refusing(poison, error, [])), subscribe("other", Counted, recording("other"))
    )
    entries = counted(range(500), "act", "other")

    results = await deliver(receiver, *entries)

    assert outcomes(results) == [f"{'rejected' if n in poison else 'applied'} applied" for n in range(500)]
    assert harness.database.transactions <= 1_000
    assert await applied(harness.database, "record_effects") == [n for n in range(500) if n not in poison]
    assert await applied(harness.database, "other") == list(range(500))
    assert len(await rejections_in(harness.database)) == 100

    harness.database.transactions = 0
    again = await deliver(receiver, *entries)

    assert outcomes(again) == [f"{'rejected' if n in poison else 'duplicate'} duplicate" for n in range(500)]
    assert harness.database.transactions == 1


async def test_too_slow_handler_is_rolled_back_and_answered_retry_before_the_caller_gives_up(
    harness: ReceiverHarness,
) -> None:
    async def stall(deps: object, tx: Transaction, events: Inbound) -> None:
        await record_effects(deps, tx, events)
        await tx.execute("SELECT pg_sleep(30)")

    receiver = await harness.receiver(
        subscribe("stall", Counted, stall), subscribe("other", Counted, recording("other"))
    )
    set_deadline(2.5)
    began = time.monotonic()

    results = await deliver(receiver, *counted(range(3), "stall", "other"))

    assert time.monotonic() - began < 2.5
    assert outcomes(results) == ["retry applied"] * 3
    assert await applied(harness.database) == [0, 1, 2]
    assert await count(harness.database, "inbox WHERE subscription = 'stall'") == 0
    assert (
        await count(harness.database, "pg_locks WHERE relation = 'effects'::regclass AND mode = 'RowExclusiveLock'")
        == 0
    )


async def test_receiver_keeps_its_own_limit_without_a_deadline_of_the_caller(
    harness: ReceiverHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = asyncio.Event()

    async def stall(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        stalled.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(receiving, "TIME_LIMIT", 1.0)
    receiver = await harness.receiver(subscribe("stall", Counted, stall))

    async with asyncio.timeout(5):
        results = await deliver(receiver, *counted(range(3), "stall"))

    assert TIME_LIMIT < CALL_TIMEOUT
    assert stalled.is_set()
    assert outcomes(results) == ["retry"] * 3
    assert results[0][0].reason == "deadline-passed: The handlers took too long."


async def test_rejections_found_before_the_deadline_are_stored_and_answered_in_time(
    harness: ReceiverHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(_deps: object, _tx: Transaction, events: Inbound) -> None:
        if 0 in numbers_of(events):
            raise Conflict("No.")
        await asyncio.Event().wait()

    monkeypatch.setattr(receiving, "TIME_LIMIT", 3.0)
    receiver = await harness.receiver(subscribe("act", Counted, act))
    set_deadline(1.0)
    began = time.monotonic()

    results = await deliver(receiver, *counted(range(2), "act"))

    assert time.monotonic() - began < 1.0
    assert outcomes(results) == ["rejected", "retry"]
    assert await rejections_in(harness.database) == ["conflict: No."]


async def test_lost_database_connection_rejects_nothing(harness: ReceiverHarness) -> None:
    lost: list[int] = []

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        await record_effects(deps, tx, events)
        if len(lost) < MAX_FAILURES + 2:
            lost.append(len(events))
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    receiver = await harness.receiver(subscribe("act", Counted, act))
    entries = counted(range(5), "act")

    results = outcomes(await deliver(receiver, *entries))
    assert results == ["retry"] * 5
    while "retry" in results:
        results = outcomes(await deliver(receiver, *entries))

    assert results == ["applied"] * 5
    assert await applied(harness.database) == list(range(5))
