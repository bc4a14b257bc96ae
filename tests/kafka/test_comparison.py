"""Events that the bus loses are delivered from the event log, once, and reported; nothing else is reported."""

import asyncio
from collections.abc import Collection, Sequence
from functools import partial

import pytest
from msgspec.structs import replace

from nextbuy.contracts.values import new_id
from nextbuy.kafka.comparison import destination_comparison
from nextbuy.kafka.comparison.store import Finding, add_findings, list_findings, mark_repaired
from nextbuy.kit.events import log_listing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Database
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness
from tests.kit.events.sample import RECORD_EFFECTS, Counted, Measured, applied, recording
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries", "settled_at_once"), pytest.mark.timeout(120)]
RECORD_ALL = subscribe("record-all", [Counted, Measured], recording("record_all"))


def counted(numbers: Sequence[int]) -> list[Counted]:
    """Return an event per number, of three keys."""
    return [Counted(about="abc"[n % 3], n=n) for n in numbers]


async def position(database: Database, subscription: str = RECORD_EFFECTS.name, topic: str = Counted.topic) -> int:
    """Return the position up to which a subscription was compared, or zero."""
    sql = "SELECT position FROM compared_positions WHERE subscription = $1 AND topic = $2"
    return int(await database.fetchval(sql, subscription, topic) or 0)


async def has_lost(harness: DeliveryHarness, loss: str) -> Collection[int]:
    """Lose the published events, in one of several ways; return the numbers that are lost."""
    if loss == "wipe":
        await harness.probe.wipe([Counted.topic, Measured.topic])
        return range(20)
    await (harness.probe.cut if loss == "cut" else harness.probe.delete)(Counted.topic)
    return range(10)


@pytest.mark.parametrize("loss", ["cut", "delete", "wipe"])
async def test_events_lost_on_the_bus_are_delivered_once_to_every_subscription(
    make_harness: MakeHarness, loss: str
) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS, RECORD_ALL], other=[RECORD_ALL])
    await harness.publisher.publish(*counted(range(10)), *(Measured(about="a", n=n) for n in range(10, 20)))

    lost = await has_lost(harness, loss)
    async with harness.delivering():
        for name in harness.destinations:
            await until(partial(harness.has_passed, name))

        async def are_applied() -> bool:
            await harness.compare()  # Kafka may still be creating the topics again.
            found = [await applied(one.database, "record_all") for one in harness.destinations.values()]
            return [len(numbers) for numbers in found] == [20, 20]

        await until(are_applied)

    for destination in harness.destinations.values():
        assert sorted(await applied(destination.database, "record_all")) == list(range(20))
    assert await applied(harness.destinations["sample"].database, "record_effects") == list(range(10))
    found = {(one.kind, one.service): one for one in await harness.findings() if one.topic == Counted.topic}
    assert {key: one.events for key, one in found.items()} == {
        ("missing-events", "sample"): 10,
        ("missing-events", "other"): 10,
    }
    assert found["missing-events", "sample"].subscriptions == ["record-all", "record-effects"]
    assert sum(one.events for one in await harness.findings()) == 2 * len(lost)


async def test_lost_events_are_not_missing_in_the_next_round(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS])
    await harness.publisher.publish(*counted(range(5)))
    await harness.probe.cut(Counted.topic)
    sample = harness.destinations["sample"]
    async with harness.delivering():
        await harness.compare()
        calls = len(sample.calls)

        await harness.compare()

    assert len(sample.calls) == calls
    assert await position(sample.database) == 5
    assert len(await harness.findings()) == 1


async def test_finding_that_is_not_repaired_is_stored_and_reported_again_only_if_it_grows(
    make_redis_harness: MakeHarness,
) -> None:
    database = (await make_redis_harness(sample=[RECORD_EFFECTS])).database
    lost = Finding("missing-events", "sample", Counted.topic, [RECORD_EFFECTS.name], 1, new_id())

    added = [await add_findings(database, [replace(lost, events=events)]) for events in (1, 1, 3)]

    assert [[one.events for one in findings] for findings in added] == [[1], [], [3]]
    assert [(one.events, one.repaired_at) for one in (await list_findings(database, 9)).items] == [(3, None)]


async def test_finding_is_repaired_when_each_of_its_subscriptions_is_complete(make_redis_harness: MakeHarness) -> None:
    database = (await make_redis_harness(sample=[RECORD_EFFECTS])).database
    await add_findings(database, [Finding("missing-events", "sample", "a", ["one", "two"], 1, new_id())])

    async def is_repaired() -> bool:
        return (await list_findings(database, 9)).items[0].repaired_at is not None

    await mark_repaired(database, "sample", [("a", "one"), ("b", "two")])
    assert not await is_repaired()
    await mark_repaired(database, "other", [("a", "one"), ("a", "two")])
    assert not await is_repaired()
    await mark_repaired(database, "sample", [("a", "one"), ("a", "two")])
    assert await is_repaired()


async def test_ordinary_traffic_is_never_reported(make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_listing, "SETTLING", 0.05)
    monkeypatch.setattr(destination_comparison, "WAIT", 5.0)
    harness = await make_harness(sample=[RECORD_EFFECTS, RECORD_ALL], other=[RECORD_ALL])
    relaying = asyncio.create_task(harness.publisher.relay.run())

    async def buy() -> None:
        for n in range(400):
            await harness.publisher.commit(*counted([n]))
            await asyncio.sleep(0.002)

    async with harness.delivering():
        buying = asyncio.create_task(buy())
        while not buying.done():
            await harness.compare()
        await buying
        await until(harness.is_done)
        await until(lambda: harness.is_done("other"))
        await harness.compare()
    relaying.cancel()

    for destination in harness.destinations.values():
        assert sorted(await applied(destination.database, "record_all")) == list(range(400))
    assert await harness.findings() == []


async def test_event_that_commits_late_is_compared(
    make_redis_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_listing, "SETTLING", 60.0)
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    sample, publisher = harness.destinations["sample"], harness.publisher
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def commit_late() -> None:
        async with publisher.database.transaction() as tx:
            await publish(tx, *counted([1]))
            written.set()
            await may_commit.wait()

    async with harness.delivering():
        committing = asyncio.create_task(commit_late())
        await written.wait()
        await publisher.publish(*counted([2]))
        await until(harness.is_done)
        await harness.compare()
        assert await position(sample.database) == 0
        may_commit.set()
        await committing
        await publisher.database.execute("DELETE FROM outbox")  # as if the bus had lost the event

        monkeypatch.setattr(log_listing, "SETTLING", 0.0)
        await harness.compare()

    assert sorted(await applied(sample.database)) == [1, 2]


async def test_event_that_waits_in_the_outbox_is_not_missing_and_no_position_passes_it(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS])
    sample, publisher = harness.destinations["sample"], harness.publisher
    await publisher.publish(*counted([0]))
    await publisher.commit(*counted([1, 2]))
    await publisher.database.execute("DELETE FROM outbox WHERE id = 3")  # as if the bus had lost the event
    async with harness.delivering():
        await until(harness.is_done)
        await harness.compare()
        assert await applied(sample.database) == [0]
        assert await position(sample.database) == 1

        await publisher.publish()
        await until(harness.is_done)
        await harness.compare()

    assert sorted(await applied(sample.database)) == [0, 1, 2]
    assert [one.events for one in await harness.findings()] == [1]


async def test_event_that_the_bus_still_delivers_is_not_missing(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]
    await harness.publisher.publish(*counted(range(5)))

    await harness.compare()

    assert await position(sample.database) == 0
    async with harness.delivering():
        await until(harness.is_done)
        await harness.compare()
    assert await position(sample.database) == 5
    assert await harness.findings() == []


async def test_topic_that_always_lags_is_compared_up_to_its_noted_end(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS])
    sample = harness.destinations["sample"]
    await harness.publisher.publish(*counted(range(5)))
    await harness.compare()
    async with harness.delivering():
        await until(harness.is_done)
    await harness.publisher.publish(*counted(range(5, 8)))

    await harness.compare()

    assert await position(sample.database) == 5


async def test_unavailable_destination_delays_no_other_and_is_compared_later(make_harness: MakeHarness) -> None:
    harness = await make_harness(sample=[RECORD_EFFECTS], other=[RECORD_ALL])
    sample, other = harness.destinations["sample"], harness.destinations["other"]
    await harness.publisher.publish(*counted(range(5)))
    await harness.probe.cut(Counted.topic)
    sample.available = False
    async with harness.delivering():
        await harness.compare()
        assert sorted(await applied(other.database)) == list(range(5))

        sample.available = True
        await harness.compare()

    assert sorted(await applied(sample.database)) == list(range(5))
    assert [(one.service, one.events) for one in await harness.findings()] == [("other", 5), ("sample", 5)]


async def test_unavailable_publisher_is_compared_later(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    await harness.publisher.publish(*counted(range(5)))
    await harness.probe.cut(Counted.topic)
    harness.publisher.available = False
    async with harness.delivering():
        await harness.compare()

        harness.publisher.available = True
        await harness.compare()

    assert sorted(await applied(harness.destinations["sample"].database)) == list(range(5))


async def test_events_before_the_beginning_of_a_subscription_are_not_missing(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[])
    await harness.publisher.publish(*counted(range(5)))
    sample = harness.destinations["sample"]
    await asyncio.sleep(0.002)  # a subscription begins with a whole millisecond
    await harness.restart(RECORD_EFFECTS)
    await harness.publisher.publish(*counted(range(5, 8)))
    await harness.probe.cut(Counted.topic)
    async with harness.delivering():
        await harness.compare()

    assert sorted(await applied(sample.database)) == [5, 6, 7]
    assert await position(sample.database) == 8


async def test_subscription_from_start_applies_the_whole_log_and_nothing_is_reported(
    make_redis_harness: MakeHarness,
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    await harness.publisher.publish(*counted(range(1_200)))
    async with harness.delivering():
        await until(harness.is_done, timeout=60)
        await harness.compare()
    await harness.probe.cut(Counted.topic)
    later = subscribe("count-all", Counted, recording("count_all"), from_start=True)
    await harness.restart(RECORD_EFFECTS, later)

    async with harness.delivering():
        await harness.compare()

    sample = harness.destinations["sample"]
    assert await applied(sample.database, "count_all") == list(range(1_200))
    assert sorted(await applied(sample.database, "record_effects")) == list(range(1_200))
    assert await harness.findings() == []
