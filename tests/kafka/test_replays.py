"""Replays deliver each matching dead letter once, through crashes and outages, and never a discarded one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from nextbuy.contracts.delivery import EventEntry
from nextbuy.contracts.errors import Conflict, ServiceUnavailable, Unprocessable
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters import store as dead_letters
from nextbuy.kafka.dead_letters.purge_dead_letters import purge_dead_letters
from nextbuy.kafka.dead_letters.run_replays import run_replays
from nextbuy.kafka.dead_letters.store import Filter
from nextbuy.kit.service import subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness, SampleDestination
from tests.kafka.sample_dead_letters import add_dead_letters, request
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    Inbound,
    applied,
    break_down,
    record_effects,
    refusing,
)
from tests.waiting import all_wait_for_a_lock, until


@pytest.fixture
async def harness(make_redis_harness: MakeHarness) -> DeliveryHarness:
    """A sample service that applies every event."""
    return await make_redis_harness(sample=[RECORD_EFFECTS])


@pytest.fixture
def sample(harness: DeliveryHarness) -> SampleDestination:
    """The destination."""
    return harness.destinations["sample"]


async def test_replay_by_filter_applies_a_thousand_dead_letters_in_order(
    harness: DeliveryHarness, sample: SampleDestination
) -> None:
    await add_dead_letters(harness.database, range(1_000))
    asked = await request(harness.database)
    assert (asked.total, asked.over_limit, asked.done, asked.finished_at) == (1_000, 0, 0, None)

    await harness.replay()

    after = await replay_requests.get_replay(harness.database, asked.id)
    assert (after.done, after.failed) == (1_000, 0)
    assert after.finished_at is not None
    assert await applied(sample.database) == list(range(1_000))
    assert [one.id for one in await replay_requests.latest(harness.database, 10)] == [asked.id]


async def test_concurrent_replays_in_two_processes_run_each_dead_letter_once(
    harness: DeliveryHarness, sample: SampleDestination
) -> None:
    await add_dead_letters(harness.database, range(400))
    asked = await asyncio.gather(request(harness.database), request(harness.database))
    assert sum(one.total for one in asked) == 400

    await asyncio.gather(harness.replay(), harness.replay())

    assert sorted(await applied(sample.database)) == list(range(400))
    assert sorted(n for call in sample.calls for n in call.numbers) == list(range(400))
    for one in asked:
        after = await replay_requests.get_replay(harness.database, one.id)
        assert (after.done, after.failed, after.finished_at is not None) == (one.total, 0, True)


async def test_replay_skips_dead_letters_of_another_request(harness: DeliveryHarness) -> None:
    await add_dead_letters(harness.database, range(2))

    async with harness.database.transaction() as tx:
        await tx.execute("SELECT FROM dead_letters ORDER BY id LIMIT 1 FOR UPDATE")
        asked = asyncio.create_task(request(harness.database))
        await until(lambda: asked.done() or all_wait_for_a_lock(harness.database, 1))

        assert asked.done()
    assert (await asked).total == 1


async def test_replay_includes_matching_dead_letters_up_to_its_limit(
    harness: DeliveryHarness, sample: SampleDestination
) -> None:
    await add_dead_letters(harness.database, range(6))
    await add_dead_letters(harness.database, range(3), "other")
    await add_dead_letters(harness.database, range(2), reason="ValueError: not yet")
    only = Filter(subscription="record-effects", reason="conflict")

    asked = await request(harness.database, only, limit=4)
    await harness.replay()

    assert (asked.total, asked.over_limit, asked.filter) == (4, 2, only)
    assert await applied(sample.database) == [0, 1, 2, 3]
    assert (await request(harness.database, only, limit=4)).total == 2
    nothing = await request(harness.database, Filter(until=datetime(2020, 1, 1, tzinfo=UTC)))
    assert nothing.total == 0
    assert nothing.finished_at is not None
    with pytest.raises(Unprocessable):
        await request(harness.database, Filter(since=datetime(1, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (Filter(topic="test.counted"), 3),
        (Filter(topic="test.measured"), 0),
        (Filter(event_type="test.counted", subscription="one"), 2),
        (Filter(reason="ValueError"), 1),
        (Filter(reason="Error"), 0),
        (Filter(since=datetime.now(UTC) - timedelta(days=1)), 3),
        (Filter(until=datetime.now(UTC) - timedelta(days=1)), 0),
    ],
)
async def test_filter_selects_the_same_dead_letters_for_list_and_replay(
    harness: DeliveryHarness, only: Filter, found: int
) -> None:
    await add_dead_letters(harness.database, range(2), "one")
    await add_dead_letters(harness.database, range(1), "two", reason="ValueError: x")

    assert len((await dead_letters.list_dead_letters(harness.database, 10, only=only)).items) == found
    assert (await request(harness.database, only)).total == found


async def test_dead_letter_that_fails_again_does_not_stop_the_others(make_redis_harness: MakeHarness) -> None:
    picky = subscribe("picky", Counted, refusing({3, 77}, break_down, []))
    harness = await make_redis_harness(sample=[picky])
    await add_dead_letters(harness.database, range(150), "picky")
    asked = await request(harness.database)

    await harness.replay()

    after = await replay_requests.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (148, 2, True)
    again = (await dead_letters.list_dead_letters(harness.database, 10, status="waiting")).items
    assert [(one.reason, one.attempts) for one in again] == [("ValueError: invalid numbers", 2)] * 2
    assert len(await applied(harness.destinations["sample"].database)) == 148


@pytest.mark.parametrize("unavailable", ["destination", "database of the destination"])
async def test_transient_failure_delays_a_replay_without_counting_an_attempt(
    make_redis_harness: MakeHarness, unavailable: str
) -> None:
    failing = True

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        if failing and unavailable != "destination":
            raise ServiceUnavailable("sample")
        await record_effects(deps, tx, events)

    harness = await make_redis_harness(sample=[subscribe("record-effects", Counted, act)])
    sample = harness.destinations["sample"]
    sample.available = unavailable != "destination"
    await add_dead_letters(harness.database, range(20))
    asked = await request(harness.database)

    await harness.replay()

    waiting = await replay_requests.get_replay(harness.database, asked.id)
    assert (waiting.done, waiting.failed) == (0, 0)
    assert waiting.blocked_by.endswith("The sample service cannot be reached. Try again in a moment.")

    failing, sample.available = False, True
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    await harness.replay()

    after = await replay_requests.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.blocked_by) == (20, 0, "")
    assert await applied(sample.database) == list(range(20))
    assert {one.attempts for one in await harness.dead_letters()} == {1}


async def test_call_that_is_too_large_is_halved(harness: DeliveryHarness, sample: SampleDestination) -> None:
    async def refuse_many(entries: Sequence[EventEntry]) -> Unprocessable | None:
        return Unprocessable("No.") if len(entries) > 10 else None

    sample.intercept = refuse_many
    await add_dead_letters(harness.database, range(50))
    asked = await request(harness.database)

    await harness.replay()

    assert (await replay_requests.get_replay(harness.database, asked.id)).done == 50
    assert await applied(sample.database) == list(range(50))


async def test_stopped_replay_releases_its_dead_letters_at_once(
    harness: DeliveryHarness, sample: SampleDestination
) -> None:
    started = asyncio.Event()

    async def hang(_entries: object) -> None:
        started.set()
        await asyncio.Event().wait()

    sample.intercept = hang
    await add_dead_letters(harness.database, range(10))
    await request(harness.database)
    running = asyncio.create_task(run_replays(harness.deps))
    await started.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(await replay_requests.claim(harness.database, 100)) == 10


async def test_replay_of_dead_process_is_run_by_another(harness: DeliveryHarness, sample: SampleDestination) -> None:
    await add_dead_letters(harness.database, [1])
    await request(harness.database)
    dead = await replay_requests.claim(harness.database, 10)
    assert len(dead) == 1

    assert not await run_replays(harness.deps)
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    assert await run_replays(harness.deps)

    assert not await replay_requests.mark_replayed(harness.database, dead)
    assert await applied(sample.database) == [1]


async def test_replay_that_was_applied_before_a_crash_is_not_applied_again(
    harness: DeliveryHarness, sample: SampleDestination
) -> None:
    async def stopped(*_: object) -> None:
        raise asyncio.CancelledError

    await add_dead_letters(harness.database, [1])
    asked = await request(harness.database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay_requests, "mark_replayed", stopped)
        with pytest.raises(asyncio.CancelledError):
            await run_replays(harness.deps)

    await harness.replay()

    assert await applied(sample.database) == [1]
    assert (await replay_requests.get_replay(harness.database, asked.id)).done == 1


async def test_process_that_lost_its_lease_adds_nothing_to_the_progress(harness: DeliveryHarness) -> None:
    await add_dead_letters(harness.database, range(2))
    asked = await request(harness.database)
    stalled = await replay_requests.claim(harness.database, 2)
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    holder = await replay_requests.claim(harness.database, 2)

    assert await replay_requests.mark_replayed(harness.database, stalled) == set()
    await replay_requests.mark_failed(harness.database, stalled[0], "conflict: No.", [])
    await replay_requests.reschedule(harness.database, stalled, "unavailable: No answer.", 60.0)

    assert await replay_requests.get_replay(harness.database, asked.id) == asked
    assert await replay_requests.mark_replayed(harness.database, holder) == {one.letter.id for one in holder}
    assert (await replay_requests.get_replay(harness.database, asked.id)).done == 2


async def test_discarded_dead_letter_is_never_replayed(harness: DeliveryHarness, sample: SampleDestination) -> None:
    await add_dead_letters(harness.database, range(3))
    third, second, first = await harness.dead_letters()

    async def discard(letter: dead_letters.DeadLetter) -> dead_letters.DeadLetter:
        async with harness.database.transaction() as tx:
            return await dead_letters.discard(tx, letter.id, "The shop is gone.")

    discarded = await discard(first)
    assert (discarded.status, discarded.discard_reason) == ("discarded", "The shop is gone.")
    asked = await request(harness.database)
    assert asked.total == 2
    # A letter whose replay is requested can be discarded until a worker has claimed it.
    await discard(second)
    [claimed] = await replay_requests.claim(harness.database, 10)
    assert claimed.letter.id == third.id
    with pytest.raises(Conflict, match="being replayed"):
        await discard(third)

    await replay_requests.release(harness.database, [claimed])
    await harness.replay()

    after = await replay_requests.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (1, 1, True)
    assert await applied(sample.database) == [0]
    for letter, slug in ((first, "dead-letter-discarded"), (third, "dead-letter-replayed")):
        with pytest.raises(Conflict) as refused:
            await discard(letter)
        assert refused.value.slug == slug
        with pytest.raises(Conflict):
            await replay_requests.request_replay(harness.database, letter.id)


async def test_dead_letter_delayed_by_transient_failure_can_be_discarded(harness: DeliveryHarness) -> None:
    await add_dead_letters(harness.database, range(1))
    asked = await request(harness.database)
    claimed = await replay_requests.claim(harness.database, 1)
    await replay_requests.reschedule(harness.database, claimed, "unavailable: No answer.", 60.0)

    async with harness.database.transaction() as tx:
        letter = await dead_letters.discard(tx, claimed[0].letter.id, "The shop is gone.")

    assert letter.status == "discarded"
    assert (await replay_requests.get_replay(harness.database, asked.id)).failed == 1


async def test_only_dead_letters_resolved_ninety_days_ago_are_purged(harness: DeliveryHarness) -> None:
    await add_dead_letters(harness.database, range(1_003))
    await harness.database.execute("UPDATE dead_letters SET failed_at = now() - interval '1 year'")
    old, waiting = (await dead_letters.list_dead_letters(harness.database, 2)).items
    await harness.database.execute(
        """
        UPDATE dead_letters SET status = 'replayed', resolved_at = now() - interval '91 days' + n * interval '1 ms'
        FROM (SELECT id, row_number() OVER () AS n FROM dead_letters) AS numbered
        WHERE dead_letters.id = numbered.id AND numbered.id <> ALL($1)
        """,
        [old.id, waiting.id],
    )
    await harness.database.execute(
        "UPDATE dead_letters SET status = 'discarded', resolved_at = now() - interval '89 days' WHERE id = $1", old.id
    )

    await purge_dead_letters(harness.deps)

    assert {one.id for one in await harness.dead_letters()} == {old.id, waiting.id}
