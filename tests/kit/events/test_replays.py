"""Replays run each matching letter once, through crashes and outages, and never a discarded one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nextbuy.contracts.errors import Conflict, ServiceUnavailable, Unavailable, Unprocessable
from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import new_id
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters import store as dead_letters
from nextbuy.kafka.dead_letters.replay_requests import Replay
from nextbuy.kafka.dead_letters.store import ALL, Filter
from nextbuy.kit.events.replayer import Replayer
from nextbuy.kit.service import Listening, on, on_batch
from nextbuy.kit.storage.database import Database, Transaction
from tests.kit.events.sample import RECORD_EFFECTS, Batched, ConsumerHarness, Counted, effects, message, record_effects
from tests.waiting import all_wait_for_a_lock, until


async def add_letters(
    database: Database, handler: str, numbers: Sequence[int], *, error: Exception | None = None
) -> None:
    """Store one dead letter of a handler per number."""
    async with database.transaction() as tx:
        for n in numbers:
            sent = message(Counted(about="a", n=n), id=new_id())
            await dead_letters.dead_letter(
                tx,
                "test.counted",
                sent.body,
                error or Conflict("No."),
                delivery_key=f"{handler}/{new_id()}",
                attempts=1,
                handler=handler,
                event_type="test.counted",
            )


async def request(database: Database, only: Filter = ALL, *, limit: int = replays.MAX_LETTERS) -> Replay:
    async with database.transaction() as tx:
        return await replays.request_replays(tx, "operator", only, limit=limit)


def replayer(harness: ConsumerHarness, listening: Listening) -> Replayer:
    return harness.consumer(listening).replayer


async def run(replayer: Replayer) -> None:
    while await replayer.run_batch():
        pass


async def test_replay_by_filter_applies_a_thousand_letters_in_order(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(1_000))
    asked = await request(harness.database)
    assert (asked.total, asked.over_limit, asked.done, asked.finished_at) == (1_000, 0, 0, None)
    await run(replayer(harness, RECORD_EFFECTS))
    after = await replays.get_replay(harness.database, asked.id)
    assert (after.done, after.failed) == (1_000, 0)
    assert after.finished_at is not None
    assert await effects(harness.database) == [("a", n) for n in range(1_000)]
    assert [one.id for one in await replays.latest(harness.database, 10)] == [asked.id]


async def test_concurrent_replays_in_two_processes_run_each_letter_once(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(400))
    asked = await asyncio.gather(request(harness.database), request(harness.database))
    assert sum(one.total for one in asked) == 400
    listening = RECORD_EFFECTS
    await asyncio.gather(run(replayer(harness, listening)), run(replayer(harness, listening)))
    assert sorted(await effects(harness.database)) == [("a", n) for n in range(400)]
    for one in asked:
        after = await replays.get_replay(harness.database, one.id)
        assert (after.done, after.failed, after.finished_at is not None) == (one.total, 0, True)


async def test_replay_skips_letters_that_another_request_takes(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(2))

    async with harness.database.transaction() as tx:
        await tx.execute("SELECT FROM dead_letters ORDER BY id LIMIT 1 FOR UPDATE")
        asked = asyncio.create_task(request(harness.database))
        await until(lambda: asked.done() or all_wait_for_a_lock(harness.database, 1))

        assert asked.done()
    assert (await asked).total == 1


async def test_replay_takes_matching_letters_up_to_its_limit(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(6))
    await add_letters(harness.database, "other", range(3))
    await add_letters(harness.database, "record-effects", range(2), error=ValueError("not yet"))
    only = Filter(handler="record-effects", reason="conflict")
    asked = await request(harness.database, only, limit=4)
    assert (asked.total, asked.over_limit, asked.filter) == (4, 2, only)
    await run(replayer(harness, RECORD_EFFECTS))
    assert await effects(harness.database) == [("a", n) for n in range(4)]
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
        (Filter(event_type="test.counted", handler="one"), 2),
        (Filter(reason="ValueError"), 1),
        (Filter(reason="Error"), 0),
        (Filter(since=datetime.now(UTC) - timedelta(days=1)), 3),
        (Filter(until=datetime.now(UTC) - timedelta(days=1)), 0),
    ],
)
async def test_filter_selects_the_same_letters_for_list_and_replay(
    harness: ConsumerHarness, only: Filter, found: int
) -> None:
    await add_letters(harness.database, "one", range(2))
    await add_letters(harness.database, "two", range(1), error=ValueError("x"))
    assert len((await dead_letters.list_dead_letters(harness.database, 10, only=only)).items) == found
    assert (await request(harness.database, only)).total == found


async def test_letter_that_fails_again_does_not_stop_the_others(harness: ConsumerHarness) -> None:
    async def picky(deps: object, tx: Transaction, pairs: Batched) -> None:
        if any(event.n in {3, 77} for event, _ in pairs):
            raise ValueError("invalid numbers")
        await record_effects(deps, tx, pairs)

    await add_letters(harness.database, "picky", range(150))
    asked = await request(harness.database)
    await run(replayer(harness, on_batch("picky", [Counted], picky)))
    after = await replays.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (148, 2, True)
    again = (await dead_letters.list_dead_letters(harness.database, 10, status="waiting")).items
    assert [(one.reason, one.attempts) for one in again] == [("ValueError: invalid numbers", 2)] * 2
    assert len(await effects(harness.database)) == 148


@pytest.mark.parametrize("batch", [True, False])
async def test_transient_failure_delays_a_replay_without_counting_an_attempt(
    harness: ConsumerHarness, *, batch: bool
) -> None:
    unavailable = True

    async def batch_handler(deps: object, tx: Transaction, pairs: Batched) -> None:
        if unavailable:
            raise ServiceUnavailable("admin")
        await record_effects(deps, tx, pairs)

    async def single(deps: object, event: Counted, envelope: Envelope) -> None:
        async with harness.database.transaction() as tx:
            await batch_handler(deps, tx, [(event, envelope)])

    listening: Any = on_batch("batch-handler", [Counted], batch_handler) if batch else on("single", Counted, single)
    await add_letters(harness.database, listening.name, range(20))
    asked = await request(harness.database)
    replaying = replayer(harness, listening)
    await run(replaying)
    waiting = await replays.get_replay(harness.database, asked.id)
    assert (waiting.done, waiting.failed) == (0, 0)
    assert waiting.blocked_by == "admin-unavailable: The admin service cannot be reached. Try again in a moment."
    unavailable = False
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    await run(replaying)
    after = await replays.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.blocked_by) == (20, 0, "")
    assert len(await effects(harness.database)) == 20
    assert {one.attempts for one in (await dead_letters.list_dead_letters(harness.database, 100)).items} == {1}


async def test_stopped_replayer_releases_letters_that_it_has_not_replayed(harness: ConsumerHarness) -> None:
    started = asyncio.Event()

    async def slow(_deps: object, event: Counted, _envelope: Envelope) -> None:
        if event.n == 5:
            started.set()
            await asyncio.Event().wait()

    await add_letters(harness.database, "slow", range(10))
    asked = await request(harness.database)
    running = asyncio.create_task(replayer(harness, on("slow", Counted, slow)).run())
    await started.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await replays.get_replay(harness.database, asked.id)).done == 5
    claimed = await replays.claim(harness.database, 100)
    assert len(claimed) == 5


async def test_replayer_that_lost_its_lease_adds_nothing_to_the_progress(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(2))
    asked = await request(harness.database)
    stalled = await replays.claim(harness.database, 2)
    await harness.database.execute("UPDATE dead_letters SET due_at = now()")
    holder = await replays.claim(harness.database, 2)

    assert await replays.mark_replayed(harness.database, stalled) == set()
    await replays.mark_failed(harness.database, stalled[0], Conflict("No."))
    await replays.reschedule(harness.database, stalled, Unavailable("Admin does not answer."), 60.0)

    assert await replays.get_replay(harness.database, asked.id) == asked
    assert await replays.mark_replayed(harness.database, holder) == {one.letter.id for one in holder}
    assert (await replays.get_replay(harness.database, asked.id)).done == 2


async def test_discarded_letter_is_never_replayed(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(3))
    first, second, third = (await dead_letters.list_dead_letters(harness.database, 10)).items

    async def discard(letter: dead_letters.DeadLetter) -> dead_letters.DeadLetter:
        async with harness.database.transaction() as tx:
            return await dead_letters.discard(tx, letter.id, "The shop is gone.")

    discarded = await discard(first)
    assert (discarded.status, discarded.discard_reason) == ("discarded", "The shop is gone.")
    asked = await request(harness.database)
    assert asked.total == 2
    # A letter whose replay is requested can be discarded until a worker has claimed it.
    await discard(second)
    [claimed] = await replays.claim(harness.database, 10)
    assert claimed.letter.id == third.id
    with pytest.raises(Conflict, match="being replayed"):
        await discard(third)
    await replays.release(harness.database, [claimed])
    await run(replayer(harness, RECORD_EFFECTS))
    after = await replays.get_replay(harness.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (1, 1, True)
    for letter, slug in ((first, "dead-letter-discarded"), (third, "dead-letter-replayed")):
        with pytest.raises(Conflict) as refused:
            await discard(letter)
        assert refused.value.slug == slug
        with pytest.raises(Conflict):
            await replays.request_replay(harness.database, letter.id)


async def test_letter_delayed_by_transient_failure_can_be_discarded(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(1))
    asked = await request(harness.database)
    claimed = await replays.claim(harness.database, 1)
    await replays.reschedule(harness.database, claimed, Unavailable("Admin does not answer."), 60.0)

    async with harness.database.transaction() as tx:
        letter = await dead_letters.discard(tx, claimed[0].letter.id, "The shop is gone.")

    assert letter.status == "discarded"
    assert (await replays.get_replay(harness.database, asked.id)).failed == 1


async def test_only_letters_resolved_ninety_days_ago_are_purged(harness: ConsumerHarness) -> None:
    await add_letters(harness.database, "record-effects", range(1_003))
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
    await dead_letters.purge_dead_letters(harness.database)
    assert {one.id for one in (await dead_letters.list_dead_letters(harness.database, 10)).items} == {
        old.id,
        waiting.id,
    }
