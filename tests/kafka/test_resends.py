"""Resends deliver events from the event logs to the destinations that lack them, chosen by several criteria."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from nextbuy.contracts.comparison import EventSelection
from nextbuy.contracts.delivery import EventEntry
from nextbuy.contracts.errors import AppError, InternalError, Unavailable
from nextbuy.kafka.resends import run_resends as job
from nextbuy.kafka.resends.resend_requests import Resend, get_resend, request_resend
from nextbuy.kafka.resends.run_resends import run_resends
from nextbuy.kit.clock import utc_now
from nextbuy.kit.service import subscribe
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness, let_pass
from tests.kit.events.sample import RECORD_EFFECTS, Counted, Measured, applied, recording
from tests.outbox import published
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries"), pytest.mark.timeout(120)]
RECORD_ALL = subscribe("record-all", [Counted, Measured], recording("record_all"))


async def lose_everything(make_harness: MakeHarness) -> DeliveryHarness:
    """Return two destinations that lack ten events of the event log."""
    harness = await make_harness(sample=[RECORD_EFFECTS], other=[RECORD_ALL])
    counted = [Counted(about="ab"[n % 2], n=n) for n in range(6)]
    await harness.publisher.publish(*counted, *(Measured(about="ab"[n % 2], n=n) for n in range(6, 10)))
    await harness.probe.wipe([Counted.topic, Measured.topic])
    return harness


async def resend(harness: DeliveryHarness, destination: str = "", **fields: Any) -> Resend:  # noqa: ANN401
    """Request a resend, and run it to its end."""
    async with harness.database.transaction() as tx:
        requested = await request_resend(tx, "operator", EventSelection(**fields), destination)
    while await run_resends(harness.deps):
        pass
    return await get_resend(harness.database, requested.id)


async def has_ended(harness: DeliveryHarness, run: Resend) -> bool:
    await run_resends(harness.deps)
    return (await get_resend(harness.database, run.id)).finished_at is not None


async def state(harness: DeliveryHarness) -> tuple[list[int], list[int]]:
    """Return the numbers that each destination has applied."""
    sample, other = harness.destinations["sample"], harness.destinations["other"]
    return sorted(await applied(sample.database)), sorted(await applied(other.database))


async def test_resend_of_a_topic_reaches_every_destination_once(make_harness: MakeHarness) -> None:
    harness = await lose_everything(make_harness)
    async with harness.delivering():
        first = await resend(harness, topics=[Counted.topic])
        second = await resend(harness, topics=[Counted.topic])

    assert await state(harness) == (list(range(6)), list(range(6)))
    assert (first.events, second.events) == (6, 6)
    assert first.finished_at is not None


async def test_resend_to_one_destination_has_all_its_topics(make_redis_harness: MakeHarness) -> None:
    harness = await lose_everything(make_redis_harness)
    async with harness.delivering():
        run = await resend(harness, "other")

    assert await state(harness) == ([], list(range(10)))
    assert run.events == 10


async def test_resend_is_restricted_by_key_time_and_id(make_redis_harness: MakeHarness) -> None:
    harness = await lose_everything(make_redis_harness)
    envelopes = await published(harness.publisher.database)
    async with harness.delivering():
        await resend(harness, key="b", topics=[Counted.topic])
        assert await state(harness) == ([1, 3, 5], [1, 3, 5])
        await resend(harness, event_ids=[envelopes[8].id])
        assert await state(harness) == ([1, 3, 5], [1, 3, 5, 8])
        await resend(harness, since=utc_now() + timedelta(seconds=1), until=utc_now() + timedelta(days=1))
        await resend(harness, until=utc_now() - timedelta(days=1))
        assert await state(harness) == ([1, 3, 5], [1, 3, 5, 8])
        await resend(harness, since=utc_now() - timedelta(minutes=5))

    assert await state(harness) == (list(range(6)), list(range(10)))


async def test_resend_waits_for_an_unavailable_destination_and_names_it(
    make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "LATE_TIMEOUT", 0.1)
    monkeypatch.setattr(job, "_DELAY", 0.2)
    harness = await lose_everything(make_redis_harness)
    sample = harness.destinations["sample"]

    async def refuse(_entries: Sequence[EventEntry]) -> AppError:
        return Unavailable("Not yet.")

    sample.intercept = refuse
    async with harness.delivering():
        run = await resend(harness, topics=[Counted.topic])
        assert (run.finished_at, run.events) == (None, 0)
        assert "The sample service has not accepted the events." in run.blocked_by

        sample.intercept = let_pass
        monkeypatch.setattr(job, "LATE_TIMEOUT", 30.0)
        await until(partial(has_ended, harness, run))

    assert await state(harness) == (list(range(6)), list(range(6)))
    assert (await get_resend(harness.database, run.id)).blocked_by == ""


async def test_blocked_resend_delays_no_other(make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LATE_TIMEOUT", 1.0)
    harness = await lose_everything(make_redis_harness)
    harness.destinations["sample"].available = False
    async with harness.delivering():
        blocked = await resend(harness, "sample")
        other = await resend(harness, "other")

    assert blocked.finished_at is None
    assert (other.finished_at is None, other.events) == (False, 10)


async def test_resend_that_cannot_succeed_ends_with_the_reason(
    make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_arguments: object) -> None:
        raise InternalError

    harness = await lose_everything(make_redis_harness)
    monkeypatch.setattr(job._Work, "_deliver_part", break_down)
    async with harness.delivering():
        run = await resend(harness)

    assert run.finished_at is not None
    assert run.blocked_by.startswith("internal-error: ")


@pytest.mark.parametrize(
    "times",
    [{"since": datetime.min.replace(tzinfo=UTC)}, {"until": datetime.max.replace(tzinfo=UTC)}],
    ids=["since year 1", "until year 9999"],
)
async def test_resend_accepts_the_first_and_the_last_time_of_the_calendar(
    make_redis_harness: MakeHarness, times: dict[str, Any]
) -> None:
    harness = await lose_everything(make_redis_harness)
    async with harness.delivering():
        run = await resend(harness, **times)

    assert await state(harness) == (list(range(6)), list(range(10)))
    assert run.finished_at is not None


async def test_resend_that_selects_nothing_ends(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        run = await resend(harness, topics=["unknown"])

    assert (run.events, run.finished_at is None) == (0, False)


async def test_resend_is_recorded_in_the_audit_log(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        run = await resend(harness, "sample", key="a")

    [entry] = await harness.database.fetch("SELECT actor, action, subject, details FROM audit")
    assert (entry["actor"], entry["action"], entry["subject"]) == ("operator", "resend", "sample")
    assert str(run.id) in entry["details"]
