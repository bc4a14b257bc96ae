"""What a filter names is tried again: in bulk, once each, through crashes and outages; and what is given up is not."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nextbuy.contracts.errors import Conflict, Unavailable, Unprocessable
from nextbuy.contracts.message import Envelope
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.dead_letters import replays
from nextbuy.kit.events.dead_letters import store as dead_letters
from nextbuy.kit.events.dead_letters.replays import Replay
from nextbuy.kit.events.dead_letters.store import Filter
from nextbuy.kit.events.replayer import Replayer
from nextbuy.kit.service import Listening, on, on_batch
from nextbuy.kit.storage.database import Database, Transaction
from tests.kit.shop import Counted, LogFile, effects, note_all, packet
from tests.kit.test_consumer import Batched, Desk

EVERY = Filter()


@pytest.fixture
def at(desk: Database, bus: RedisBus, log_file: LogFile) -> Desk:
    return Desk(desk, bus, log_file)


async def buried(database: Database, handler: str, numbers: Sequence[int], *, why: Exception | None = None) -> None:
    """Let a handler have failed."""
    async with database.transaction() as tx:
        for n in numbers:
            sent = packet(Counted(about="a", n=n), id=new_id())
            await dead_letters.dead_letter(
                tx,
                "test.counted",
                sent.body,
                why or Conflict("No.", slug="not-yet"),
                origin=f"{handler}/{new_id()}",
                attempts=1,
                handler=handler,
                event_type="test.counted",
            )


async def ask(database: Database, only: Filter = EVERY, *, most: int = replays.MOST) -> Replay:
    async with database.transaction() as tx:
        return await replays.ask_replays(tx, "somebody", only, most=most)


def replayer(at: Desk, listening: Listening) -> Replayer:
    return at.consumer(listening).replayer


async def run(replayer: Replayer) -> None:
    while await replayer.some():
        pass


async def test_a_thousand_are_applied_in_order_and_counted(at: Desk) -> None:
    await buried(at.database, "note-all", range(1_000))
    asked = await ask(at.database)
    assert (asked.total, asked.beyond, asked.done, asked.finished_at) == (1_000, 0, 0, None)
    await run(replayer(at, on_batch("note-all", [Counted], note_all)))
    after = await replays.replay_of(at.database, asked.id)
    assert (after.done, after.failed) == (1_000, 0)
    assert after.finished_at is not None
    assert await effects(at.database) == [("a", n) for n in range(1_000)]
    assert [one.id for one in await replays.latest(at.database, 10)] == [asked.id]


async def test_two_replays_at_once_by_two_processes_run_each_letter_once(at: Desk) -> None:
    await buried(at.database, "note-all", range(400))
    asked = await asyncio.gather(ask(at.database), ask(at.database))
    assert sum(one.total for one in asked) == 400
    listening = on_batch("note-all", [Counted], note_all)
    await asyncio.gather(run(replayer(at, listening)), run(replayer(at, listening)))
    assert sorted(await effects(at.database)) == [("a", n) for n in range(400)]
    for one in asked:
        after = await replays.replay_of(at.database, one.id)
        assert (after.done, after.failed, after.finished_at is not None) == (one.total, 0, True)


async def test_a_filter_names_some_and_one_replay_takes_no_more_than_it_may(at: Desk) -> None:
    await buried(at.database, "note-all", range(6))
    await buried(at.database, "other", range(3))
    await buried(at.database, "note-all", range(2), why=ValueError("not yet"))
    only = Filter(handler="note-all", reason="not-yet")
    asked = await ask(at.database, only, most=4)
    assert (asked.total, asked.beyond, asked.filter) == (4, 2, only)
    await run(replayer(at, on_batch("note-all", [Counted], note_all)))
    assert await effects(at.database) == [("a", n) for n in range(4)]
    assert (await ask(at.database, only, most=4)).total == 2
    nothing = await ask(at.database, Filter(until=datetime(2020, 1, 1, tzinfo=UTC)))
    assert nothing.total == 0
    assert nothing.finished_at is not None
    with pytest.raises(Unprocessable):
        await ask(at.database, Filter(since=datetime(1, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (Filter(topic="test.counted"), 3),
        (Filter(topic="test.told"), 0),
        (Filter(event_type="test.counted", handler="one"), 2),
        (Filter(reason="ValueError"), 1),
        (Filter(reason="Error"), 0),
        (Filter(since=datetime.now(UTC) - timedelta(days=1)), 3),
        (Filter(until=datetime.now(UTC) - timedelta(days=1)), 0),
    ],
)
async def test_the_list_is_that_of_the_filter(at: Desk, only: Filter, found: int) -> None:
    await buried(at.database, "one", range(2))
    await buried(at.database, "two", range(1), why=ValueError("x"))
    assert len((await dead_letters.page(at.database, 10, only=only)).items) == found
    assert (await ask(at.database, only)).total == found


async def test_one_that_fails_again_takes_nobody_with_it(at: Desk) -> None:
    async def picky(deps: object, tx: Transaction, pairs: Batched) -> None:
        if any(event.n in {3, 77} for event, _ in pairs):
            raise ValueError("these will not do")
        await note_all(deps, tx, pairs)

    await buried(at.database, "picky", range(150))
    asked = await ask(at.database)
    await run(replayer(at, on_batch("picky", [Counted], picky)))
    after = await replays.replay_of(at.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (148, 2, True)
    again = (await dead_letters.page(at.database, 10, status="waiting")).items
    assert [(one.reason, one.attempts) for one in again] == [("ValueError: these will not do", 2)] * 2
    assert len(await effects(at.database)) == 148


@pytest.mark.parametrize("batch", [True, False])
async def test_what_will_pass_is_waited_for_and_uses_up_no_attempt(at: Desk, *, batch: bool) -> None:
    away = True

    async def together(deps: object, tx: Transaction, pairs: Batched) -> None:
        if away:
            raise Unavailable("Admin is away.", slug="admin-away", retry_after=1)
        await note_all(deps, tx, pairs)

    async def single(deps: object, event: Counted, envelope: Envelope) -> None:
        async with at.database.transaction() as tx:
            await together(deps, tx, [(event, envelope)])

    listening: Any = on_batch("together", [Counted], together) if batch else on("single", Counted, single)
    await buried(at.database, listening.name, range(20))
    asked = await ask(at.database)
    runs = replayer(at, listening)
    await run(runs)
    waiting = await replays.replay_of(at.database, asked.id)
    assert (waiting.done, waiting.failed) == (0, 0)
    assert waiting.waits_for == "admin-away: Admin is away."
    away = False
    await at.database.execute("UPDATE dead_letters SET leased_until = clock_timestamp()")
    await run(runs)
    after = await replays.replay_of(at.database, asked.id)
    assert (after.done, after.failed, after.waits_for) == (20, 0, "")
    assert len(await effects(at.database)) == 20
    assert {one.attempts for one in (await dead_letters.page(at.database, 100)).items} == {1}


async def test_a_process_that_stops_in_the_middle_gives_back_what_it_has_not_done(at: Desk) -> None:
    begun = asyncio.Event()

    async def slow(_deps: object, event: Counted, _envelope: Envelope) -> None:
        if event.n == 5:
            begun.set()
            await asyncio.Event().wait()

    await buried(at.database, "slow", range(10))
    asked = await ask(at.database)
    running = asyncio.create_task(replayer(at, on("slow", Counted, slow)).run())
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await replays.replay_of(at.database, asked.id)).done == 5
    claimed = await replays.claim(at.database, 100)
    assert len(claimed) == 5


async def test_a_discarded_letter_is_never_replayed_and_says_why(at: Desk) -> None:
    await buried(at.database, "note-all", range(3))
    first, second, third = (await dead_letters.page(at.database, 10)).items

    async def discard(letter: dead_letters.DeadLetter) -> dead_letters.DeadLetter:
        async with at.database.transaction() as tx:
            return await dead_letters.discard(tx, letter.id, "The shop is gone.")

    given_up = await discard(first)
    assert (given_up.status, given_up.discarded_because) == ("discarded", "The shop is gone.")
    asked = await ask(at.database)
    assert asked.total == 2
    # One that is asked for and not in hand can still be given up; one in hand cannot.
    await discard(second)
    [held] = await replays.claim(at.database, 10)
    assert held.letter.id == third.id
    with pytest.raises(Conflict, match="being replayed"):
        await discard(third)
    await replays.give_back(at.database, held.token)
    await run(replayer(at, on_batch("note-all", [Counted], note_all)))
    after = await replays.replay_of(at.database, asked.id)
    assert (after.done, after.failed, after.finished_at is not None) == (1, 1, True)
    for letter, slug in ((first, "discarded"), (third, "already-replayed")):
        with pytest.raises(Conflict) as refused:
            await discard(letter)
        assert refused.value.slug == slug
        with pytest.raises(Conflict):
            await replays.ask_replay(at.database, letter.id)


async def test_settled_letters_go_after_ninety_days_and_waiting_ones_never(at: Desk) -> None:
    await buried(at.database, "note-all", range(1_003))
    await at.database.execute("UPDATE dead_letters SET failed_at = now() - interval '1 year'")
    old, waiting = (await dead_letters.page(at.database, 2)).items
    await at.database.execute(
        "UPDATE dead_letters SET status = 'replayed', settled_at = now() - interval '91 days' WHERE id <> ALL($1)",
        [old.id, waiting.id],
    )
    await at.database.execute(
        "UPDATE dead_letters SET status = 'discarded', settled_at = now() - interval '89 days' WHERE id = $1", old.id
    )
    assert await dead_letters.purge_settled(at.database)
    assert not await dead_letters.purge_settled(at.database)
    assert {one.id for one in (await dead_letters.page(at.database, 10)).items} == {old.id, waiting.id}
